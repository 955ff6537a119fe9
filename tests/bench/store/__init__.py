"""What the store costs: rate, bytes, wear, memory and opening, beside what gateways often do; `make bench-store`."""
