"""What the commands of the command line do; `flagpost.cli` only reads their arguments."""
