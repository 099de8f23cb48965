"""The actions on configuration: ConfigMaps, autoscalers, and one field of any object."""
