"""The local engine: runs on this machine the PipelineRun that Tekton would get, through the same generic Task."""
