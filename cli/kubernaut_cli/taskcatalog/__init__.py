"""The Tekton catalogue: typed Tasks, the StepAction and the Pipelines, written from the definitions of actions."""
