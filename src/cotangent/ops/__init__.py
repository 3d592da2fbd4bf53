"""The operations: every primitive declared once, composites written over them."""
