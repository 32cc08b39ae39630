from .mirror import Mirror
from .products import MirrorProduct, Products

__all__ = ["Mirror", "MirrorProduct", "Products"]
