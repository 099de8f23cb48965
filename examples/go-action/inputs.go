package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Returns the inputs, as JSON, with those that `--input-from NAME POINTER OUTPUT` takes from an earlier step's output; the
// Task passes such arguments after the verb, four for each input.
func withTaken(inputs string, arguments []string) (string, *failure) {
	var merged map[string]json.RawMessage
	if len(arguments) == 0 || json.Unmarshal([]byte(inputs), &merged) != nil || merged == nil {
		return inputs, nil // what is not an object is refused by `strict`
	}
	for ; len(arguments) > 0; arguments = arguments[4:] {
		if len(arguments) < 4 || arguments[0] != "--input-from" {
			return "", &failure{2, "InvalidInputs", "arguments: there is only --input-from NAME POINTER OUTPUT, any number of times."}
		}
		name := arguments[1]
		value, problem := take(arguments[2], arguments[3])
		if problem != "" {
			return "", &failure{2, "InvalidInputs", "inputs." + name + ": " + problem}
		}
		merged[name] = value
	}
	text, _ := json.Marshal(merged)
	return string(text), nil
}

// Returns the value that a JSON pointer (RFC 6901) names within an output, or a sentence that says why there is none. What
// the earlier step withheld, since it would show a secret, is not there: going on without it would be something else than was asked.
func take(pointer, output string) (json.RawMessage, string) {
	var document struct {
		Withheld []string `json:"withheld"`
	}
	if json.Unmarshal([]byte(output), &document) != nil {
		return nil, "the earlier step's output is not a JSON object."
	}
	if pointer != "" && pointer[0] != '/' {
		return nil, "the JSON pointer must start with a slash."
	}
	keys := strings.Split(pointer, "/")[1:]
	for i, key := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
	}
	if len(document.Withheld) > 0 && (len(keys) == 0 || slices.Contains(document.Withheld, keys[0])) {
		return nil, "the earlier step withheld it, because it would show a secret of that step."
	}
	value := json.RawMessage(output)
	for _, key := range keys {
		var found bool
		if value, found = member(value, key); !found {
			return nil, "the JSON pointer " + pointer + " names nothing in the earlier step's output."
		}
	}
	return value, ""
}

// Returns the field of an object, or the item of a list, that one part of a JSON pointer names.
func member(value json.RawMessage, key string) (json.RawMessage, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) == nil {
		found, known := fields[key]
		return found, known
	}
	var items []json.RawMessage
	if index, err := strconv.ParseUint(key, 10, 31); err == nil && json.Unmarshal(value, &items) == nil && index < uint64(len(items)) {
		return items[index], true
	}
	return nil, false
}
