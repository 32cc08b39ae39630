from .mirror import Mirror

__all__ = ["Mirror"]
