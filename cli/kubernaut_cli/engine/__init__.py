"""The local engine, which runs on this machine the PipelineRun that Tekton would get, with the same generic Task."""
