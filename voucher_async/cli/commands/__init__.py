"""The commands, one file for each group of them: each registers its own with the program."""
