from .deliverer import Deliverer
from .sinks import Batching, Command, EventSink, Webhook
from .states import StateRecorder

__all__ = ["Batching", "Command", "Deliverer", "EventSink", "StateRecorder", "Webhook"]
