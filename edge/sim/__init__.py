"""Simulated meters that hold truths and answer as the standard says, and the wires and ports they sit on."""
