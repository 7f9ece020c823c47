"""What applications poll for, answered from memory: whether their keys work, and what their flags are."""
