"""Taking changes back: what can be undone and in which order (`plan`), and the PipelineRun that does it."""
