"""What pipes share: checks of functions, files and streams."""
