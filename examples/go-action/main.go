// An action image in Go, by hand: the action contract with nothing of Kubernaut's in it. It sets a flag in a JSON file.
//
// What an SDK would be for stands in contract.go; what this action does, here.
package main

import (
	"encoding/json"
	"os"
)

// What the image says of itself; `kubernaut-action spec` prints it.
const spec = `{"contract": "1", "actions": [{
  "action_type": "feature/set_flag", "version": "1.0.0", "summary": "Turns a feature flag on or off.",
  "inputs": {"type": "object", "additionalProperties": false, "required": ["file", "name", "on"],
             "properties": {"file": {"type": "string"}, "name": {"type": "string"}, "on": {"type": "boolean"}}},
  "result": {"type": "object", "required": ["on"], "properties": {"on": {"type": "boolean"}}},
  "permissions": [], "tools": [], "examples": [{"file": "/data/flags.json", "name": "dark-mode", "on": true}],
  "idempotent": true, "undoable": false, "verified": false, "risk": "low"}]}`

type inputs struct {
	File *string `json:"file"`
	Name *string `json:"name"`
	On   *bool   `json:"on"`
}

type state struct {
	On *bool `json:"on"` // null: there is no such flag
}

func parse(text string) (inputs, *failure) {
	var given inputs
	if problem := strict(text, &given); problem != nil {
		return given, problem
	}
	if given.File == nil || given.Name == nil || given.On == nil {
		return given, &failure{2, "InvalidInputs", "inputs: file, name and on are required."}
	}
	return given, nil
}

func plan(given inputs) (change[state], *failure) {
	flags, problem := read(*given.File)
	if problem != nil {
		return change[state]{}, problem
	}
	var before state
	if on, known := flags[*given.Name]; known {
		before.On = &on
	}
	return change[state]{before, state{given.On}}, nil
}

func apply(given inputs) (any, *failure) {
	flags, problem := read(*given.File)
	if problem != nil {
		return nil, problem
	}
	flags[*given.Name] = *given.On
	content, _ := json.Marshal(flags)
	if err := os.WriteFile(*given.File, content, 0o644); err != nil {
		return nil, &failure{1, "Failed", "the file cannot be written: " + err.Error() + "."}
	}
	return map[string]bool{"on": *given.On}, nil
}

func read(file string) (map[string]bool, *failure) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, &failure{3, "NotFound", "the file cannot be read: " + err.Error() + "."}
	}
	flags := map[string]bool{}
	if json.Unmarshal(content, &flags) != nil {
		return nil, &failure{3, "PreconditionFailed", "the file does not hold an object of flags."}
	}
	return flags, nil
}
