"""What is raised when an embedded engine cannot be had."""


class EngineError(Exception):
    """The embedded engines cannot run; the message is one sentence that says what to do."""
