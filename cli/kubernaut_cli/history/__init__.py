"""The history for people: finding records by what somebody knows of them, and showing them as rows, pages and reports.

`reading` asks Data Storage; `changes`, `course` and `rows` are functions of what it answered.
"""
