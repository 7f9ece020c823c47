"""What applications ask all the time, answered from memory: who they are, and what their flags are."""
