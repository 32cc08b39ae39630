"""The sky over Palomar: when it is dark, what is up, and what a camera sees of it."""
