"""The commands of the command line. `flagpost.cli` only reads their arguments."""
