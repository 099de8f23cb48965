"""The tables of the ledger."""

import sqlite3
from pathlib import Path

from kubernaut_effectiveness.demodata import REQUESTER

__all__ = ["VERSION", "connect", "create_indexes", "create_tables"]

VERSION = 4
"""Part of what a kept file must agree with; another one is built anew."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE acts (
  id TEXT PRIMARY KEY, action_type TEXT NOT NULL, state TEXT NOT NULL, decided REAL NOT NULL, began REAL NOT NULL,
  ended REAL NOT NULL, target TEXT, fingerprint TEXT, fired REAL, dry_run INTEGER NOT NULL, undoes TEXT,
  changes INTEGER NOT NULL, reason TEXT, image TEXT, workflow TEXT, step TEXT, requester TEXT, kind TEXT NOT NULL,
  before TEXT, after TEXT);
CREATE TABLE problems (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT, incidents INTEGER NOT NULL DEFAULT 0,
  dirty REAL, restless INTEGER NOT NULL DEFAULT 0, judged_at REAL NOT NULL DEFAULT 0);
CREATE TABLE fingerprints (fingerprint TEXT PRIMARY KEY, problem INTEGER NOT NULL, labels TEXT) WITHOUT ROWID;
CREATE INDEX fingerprints_by_problem ON fingerprints (problem);
CREATE TABLE named_targets (
  target TEXT NOT NULL, problem INTEGER NOT NULL, PRIMARY KEY (target, problem)) WITHOUT ROWID;
CREATE INDEX named_targets_by_problem ON named_targets (problem);
CREATE TABLE firings (
  fingerprint TEXT NOT NULL, fired REAL NOT NULL, resolved REAL, name TEXT, severity TEXT,
  PRIMARY KEY (fingerprint, fired)) WITHOUT ROWID;
CREATE TABLE spans (
  kind TEXT NOT NULL, subject TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
  PRIMARY KEY (kind, subject, since)) WITHOUT ROWID;
CREATE TABLE judged (
  problem INTEGER NOT NULL, began REAL NOT NULL, name TEXT, severity TEXT, action TEXT, target TEXT NOT NULL,
  acted REAL NOT NULL, ended REAL NOT NULL, resolved REAL NOT NULL, outcome TEXT, why TEXT, image TEXT,
  first_line TEXT NOT NULL, second_line TEXT NOT NULL, following TEXT, returned REAL, cause TEXT,
  decision TEXT, decided REAL, decided_on TEXT, withheld INTEGER, resolved_soon INTEGER);
CREATE TABLE second_lines (problem INTEGER NOT NULL, began REAL NOT NULL, action_type TEXT NOT NULL);
CREATE TABLE flapping (
  problem INTEGER NOT NULL, since REAL NOT NULL, until REAL, firings INTEGER NOT NULL,
  PRIMARY KEY (problem, since)) WITHOUT ROWID;
CREATE TABLE findings (target TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, last REAL NOT NULL,
  document TEXT NOT NULL);
CREATE TABLE side_effects (
  target TEXT NOT NULL, action_type TEXT NOT NULL, alert TEXT, withheld INTEGER NOT NULL, cases INTEGER NOT NULL);
CREATE TABLE stale_targets (target TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_INDEXES = f"""
CREATE INDEX acts_by_fingerprint ON acts (fingerprint, decided);
CREATE INDEX acts_by_target ON acts (target, began);
CREATE INDEX acts_by_type ON acts (action_type, kind, ended, began);
CREATE INDEX acts_by_time ON acts (began, state);
CREATE INDEX acts_undone ON acts (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX acts_of_people ON acts (target, began)
  WHERE fingerprint IS NULL AND requester IS NOT NULL AND kind = 'changed';
CREATE INDEX acts_pending ON acts (decided) WHERE kind = 'pending';
CREATE INDEX acts_simulated ON acts (id) WHERE requester = '{REQUESTER}';
CREATE INDEX acts_given_up ON acts (decided) WHERE reason = 'GivenUp';
CREATE INDEX problems_dirty ON problems (dirty) WHERE dirty IS NOT NULL;
CREATE INDEX problems_restless ON problems (judged_at) WHERE restless;
CREATE INDEX problems_by_name ON problems (name);
CREATE UNIQUE INDEX judged_by_problem ON judged (problem, began);
CREATE INDEX judged_by_signal ON judged (name, action, severity, target, outcome) WHERE action IS NOT NULL;
CREATE INDEX judged_withheld ON judged (name, decided_on, resolved_soon) WHERE withheld;
CREATE INDEX judged_returned ON judged (action, returned, cause) WHERE returned IS NOT NULL;
CREATE INDEX judged_by_action ON judged (action, acted);
CREATE INDEX judged_by_decision ON judged (decision) WHERE decision IS NOT NULL;
CREATE INDEX judged_by_target ON judged (target);
CREATE INDEX judged_on ON judged (decided_on) WHERE decided_on IS NOT NULL;
CREATE INDEX judged_followed ON judged (name) WHERE following IS NOT NULL;
CREATE INDEX second_lines_by_problem ON second_lines (problem, began);
CREATE INDEX second_lines_by_type ON second_lines (action_type);
CREATE INDEX findings_by_target ON findings (target);
CREATE INDEX findings_by_kind ON findings (kind, number, last);
CREATE INDEX side_effects_by_target ON side_effects (target);
"""
_CACHE_KIB = 24 * 1024


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Return a connection to the file of a ledger; whose threads use it is for the caller to see to."""
    mode = "ro" if readonly else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False, isolation_level=None, timeout=30
    )
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB if not readonly else _CACHE_KIB // 4}")
    connection.execute("PRAGMA temp_store = FILE")
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables of a new file. Until it is built, nothing is lost with it: it has no journal."""
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(_TABLES)


def create_indexes(connection: sqlite3.Connection) -> None:
    """Create the indexes, once all is read and judged: each is then made in one go."""
    for statement in _INDEXES.split(";"):  # not executescript, which commits
        connection.execute(statement)
