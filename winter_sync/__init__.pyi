from .api import Mirror

__version__: str

__all__ = ["Mirror"]
