"""Actions for Systems Manager documents."""
