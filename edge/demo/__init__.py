"""The demo: a whole site on this machine - meters, wires, broker, gateway, centre - as real processes on loopback."""
