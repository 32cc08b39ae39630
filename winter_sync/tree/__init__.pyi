from .abilities import try_out
from .identity import lost, refuse_other_root, refuse_strangers
from .known_roots import Roots, memory_path
from .tree import Part, Reserve, Session, Tree
from .unknown_files import REVISIONS, Walk, abandoned, of_nights

__all__ = [
    "REVISIONS",
    "Part",
    "Reserve",
    "Roots",
    "Session",
    "Tree",
    "Walk",
    "abandoned",
    "lost",
    "memory_path",
    "of_nights",
    "refuse_other_root",
    "refuse_strangers",
    "try_out",
]
