"""The conformance kit: tries an action image from outside, as the generic Task runs it, whatever it is written in."""
