"""Tracing a function into a tape (and, later, machine code)."""
