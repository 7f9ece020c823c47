"""Use cases that bring flags in from elsewhere: a file, or an account at Split."""
