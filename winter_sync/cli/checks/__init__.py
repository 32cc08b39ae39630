"""The checks of `check`, and the findings that come of them."""
