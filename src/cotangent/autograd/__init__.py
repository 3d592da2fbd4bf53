"""The engine: recording, backward, modes, hooks, custom functions."""
