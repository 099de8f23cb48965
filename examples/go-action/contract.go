package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// An end other than success: exit code of the contract, a word for machines, a sentence for people.
type failure struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type change[S any] struct {
	Before S `json:"before"`
	After  S `json:"after"`
}

type document struct {
	ActionType string         `json:"action_type"`
	Status     string         `json:"status"`
	Changed    any            `json:"changed"`
	Change     *change[state] `json:"change"`
	Output     any            `json:"output"`
	Error      *failure       `json:"error"`
	Record     any            `json:"record"`
}

var (
	recordID = recordIDOrNew()
	deferred atomic.Bool             // whether an event could not be stored
	stop     = make(chan failure, 1) // why nothing new may be started any more
)

func main() {
	verb := "run"
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case "spec":
		fmt.Println(spec)
	case "version":
		fmt.Println(`{"contract": "1"}`)
	case "plan", "run":
		watch()
		os.Exit(execute(verb == "plan", os.Args[min(2, len(os.Args)):]))
	default:
		fmt.Fprintf(os.Stderr, "no verb %q; there are spec, version, plan and run\n", verb)
		os.Exit(2)
	}
}

// SIGTERM and the action's own time end the step, each once; whoever waits takes it from the channel.
func watch() {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	timeout, err := time.ParseDuration(env("ACTION_TIMEOUT", "5m"))
	if err != nil {
		timeout = 5 * time.Minute
	}
	go func() {
		select {
		case <-terminated:
			stop <- failure{143, "Interrupted", "cancelled: the step was told to stop (SIGTERM)."}
		case <-time.After(timeout):
			stop <- failure{124, "DeadlineExceeded", "the action's time (ACTION_TIMEOUT) is over."}
		}
	}()
}

func execute(quiet bool, arguments []string) int {
	dry := quiet || os.Getenv("ACTION_DRY_RUN") == "true"
	told := document{ActionType: "feature/set_flag", Status: "failed", Changed: false}
	if !quiet {
		results(told, &failure{1, "Interrupted", "the step was interrupted."})
	}
	var given inputs
	text, problem := withTaken(env("ACTION_INPUTS", "{}"), arguments)
	if problem == nil {
		given, problem = parse(text)
	}
	if problem == nil {
		problem = carryOut(given, dry, quiet, &told)
	}
	if problem != nil {
		told.Error = problem
		told.Status = map[int]string{124: "timed_out", 143: "cancelled"}[problem.Code]
		if told.Status == "" {
			told.Status = "failed"
		}
	}
	if !quiet {
		tell(told.Status, map[string]any{"change": told.Change, "changed": told.Changed, "output": told.Output,
			"error": told.Error, "dry_run": dry, "finished_at": now()}, 2*time.Second)
		results(told, told.Error)
	}
	told.Record = map[string]any{"id": recordID, "attempt": 0, "status": delivery()}
	line, _ := json.Marshal(told)
	fmt.Println(string(line))
	if told.Error != nil {
		return told.Error.Code
	}
	return 0
}

// Plans and applies, in the contract's order; what it finds out goes into the document.
func carryOut(given inputs, dry, quiet bool, told *document) *failure {
	if !quiet {
		tell("started", map[string]any{"started_at": now(), "inputs": given, "dry_run": dry}, 2*time.Second)
	}
	planned, problem := plan(given)
	if problem != nil {
		return problem
	}
	told.Change = &planned
	if reflect.DeepEqual(planned.Before, planned.After) {
		told.Status = "unchanged"
		return nil
	}
	if dry {
		told.Status, told.Output = "planned", planned.After
		return nil
	}
	required := os.Getenv("DATA_STORAGE_POLICY") == "require"
	patience := 2 * time.Second
	if required {
		patience = 10 * time.Second
	}
	stored := make(chan bool, 1)
	go func() { stored <- tell("applying", map[string]any{"change": planned}, patience) }()
	select {
	case why := <-stop:
		return &why
	case ok := <-stored:
		if required && !ok {
			return &failure{5, "RecordRequired", "nothing was applied: the record could not be stored, and the policy is require."}
		}
	}
	select {
	case why := <-stop:
		return &why
	default:
	}
	told.Changed = "unknown"
	output, problem := apply(given)
	if problem == nil {
		told.Status, told.Changed, told.Output = "succeeded", true, output
	}
	return problem
}

// Sends one event, again until the store has taken it or time is over; then it goes to the log, marked.
func tell(state string, known map[string]any, patience time.Duration) bool {
	if os.Getenv("DATA_STORAGE_URL") == "" {
		return false
	}
	event := map[string]any{"id": recordID, "attempt": 0, "state": state, "at": now(), "action_type": "feature/set_flag",
		"pod": map[string]string{"name": os.Getenv("POD_NAME"), "uid": os.Getenv("POD_UID")}}
	var context map[string]any
	_ = json.Unmarshal([]byte(env("ACTION_CONTEXT", "{}")), &context)
	for _, more := range []map[string]any{context, known} {
		for name, value := range more {
			if value != nil && !reflect.ValueOf(value).IsZero() && value != "unknown" {
				event[name] = value
			}
		}
	}
	if changed, is := known["changed"].(bool); is {
		event["changed"] = changed
	}
	body, _ := json.Marshal([]any{event})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if post(body, time.Until(end)) {
			return true
		}
	}
	deferred.Store(true)
	line, _ := json.Marshal(map[string]any{"kubernaut_record": event})
	fmt.Fprintln(os.Stderr, string(line))
	return false
}

func post(body []byte, patience time.Duration) bool {
	url := strings.TrimRight(os.Getenv("DATA_STORAGE_URL"), "/") + "/api/v1/action-records"
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("content-type", "application/json")
	if token, err := os.ReadFile(os.Getenv("DATA_STORAGE_TOKEN_FILE")); err == nil {
		request.Header.Set("authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	answer, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// Writes the result files, each replaced atomically, `status` last.
func results(told document, problem *failure) {
	folder := env("RESULTS_DIR", "/tekton/results")
	text := func(value any) string {
		if value == nil || reflect.ValueOf(value).IsZero() {
			return ""
		}
		line, _ := json.Marshal(value)
		return strings.ReplaceAll(string(line), "$", `\u0024`)
	}
	files := [][2]string{{"changed", fmt.Sprint(told.Changed)}, {"error", text(problem)}, {"output", text(told.Output)},
		{"record-id", recordID}, {"record-status", delivery()}, {"status", told.Status}}
	for _, file := range files {
		temporary := filepath.Join(folder, "."+file[0])
		if os.WriteFile(temporary, []byte(file[1]), 0o644) == nil {
			_ = os.Rename(temporary, filepath.Join(folder, file[0]))
		}
	}
}

func delivery() string {
	switch {
	case os.Getenv("DATA_STORAGE_URL") == "":
		return "disabled"
	case deferred.Load():
		return "deferred"
	}
	return "stored"
}

// Takes an object and refuses what it does not know. No value is shown: it might be a secret.
func strict(text string, into any) *failure {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(into) != nil || decoder.More() {
		return &failure{2, "InvalidInputs", "inputs: an object of file (text), name (text) and on (true or false), and nothing else."}
	}
	return nil
}

// The record's id; by itself a new UUIDv7 (RFC 9562).
func recordIDOrNew() string {
	if given := os.Getenv("ACTION_RECORD_ID"); given != "" {
		return given
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	millis := time.Now().UnixMilli()
	for i := range 6 {
		id[i] = byte(millis >> (8 * (5 - i)))
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	text := hex.EncodeToString(id[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
