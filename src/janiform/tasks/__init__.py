"""Tasks: samplers of inputs with their targets, from a program that is known to solve them."""

from janiform.tasks.library import Task, from_program, library_task

__all__ = ["Task", "from_program", "library_task"]
