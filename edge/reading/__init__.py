"""Values that every room shares: verdicts, outcomes, readings, the quantities and the plan of what is read."""
