--
-- PostgreSQL database dump
--


-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

--
-- Name: action_records; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records (
    id uuid NOT NULL,
    seq bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    action_type character varying(253),
    state character varying(16) NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea NOT NULL,
    provenance json
)
PARTITION BY RANGE (id);
ALTER TABLE ONLY public.action_records ALTER COLUMN document SET STORAGE EXTERNAL;


SET default_table_access_method = heap;

--
-- Name: action_records_2026_08; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records_2026_08 (
    id uuid CONSTRAINT action_records_id_not_null NOT NULL,
    seq bigint CONSTRAINT action_records_seq_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT action_records_recorded_at_not_null NOT NULL,
    action_type character varying(253),
    state character varying(16) CONSTRAINT action_records_state_not_null NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea CONSTRAINT action_records_document_not_null NOT NULL,
    provenance json
);
ALTER TABLE ONLY public.action_records_2026_08 ALTER COLUMN document SET STORAGE EXTERNAL;


--
-- Name: action_records_2026_09; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records_2026_09 (
    id uuid CONSTRAINT action_records_id_not_null NOT NULL,
    seq bigint CONSTRAINT action_records_seq_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT action_records_recorded_at_not_null NOT NULL,
    action_type character varying(253),
    state character varying(16) CONSTRAINT action_records_state_not_null NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea CONSTRAINT action_records_document_not_null NOT NULL,
    provenance json
);
ALTER TABLE ONLY public.action_records_2026_09 ALTER COLUMN document SET STORAGE EXTERNAL;


--
-- Name: action_records_2026_10; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records_2026_10 (
    id uuid CONSTRAINT action_records_id_not_null NOT NULL,
    seq bigint CONSTRAINT action_records_seq_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT action_records_recorded_at_not_null NOT NULL,
    action_type character varying(253),
    state character varying(16) CONSTRAINT action_records_state_not_null NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea CONSTRAINT action_records_document_not_null NOT NULL,
    provenance json
);
ALTER TABLE ONLY public.action_records_2026_10 ALTER COLUMN document SET STORAGE EXTERNAL;


--
-- Name: action_records_2026_11; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records_2026_11 (
    id uuid CONSTRAINT action_records_id_not_null NOT NULL,
    seq bigint CONSTRAINT action_records_seq_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT action_records_recorded_at_not_null NOT NULL,
    action_type character varying(253),
    state character varying(16) CONSTRAINT action_records_state_not_null NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea CONSTRAINT action_records_document_not_null NOT NULL,
    provenance json
);
ALTER TABLE ONLY public.action_records_2026_11 ALTER COLUMN document SET STORAGE EXTERNAL;


--
-- Name: action_records_2026_12; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records_2026_12 (
    id uuid CONSTRAINT action_records_id_not_null NOT NULL,
    seq bigint CONSTRAINT action_records_seq_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT action_records_recorded_at_not_null NOT NULL,
    action_type character varying(253),
    state character varying(16) CONSTRAINT action_records_state_not_null NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea CONSTRAINT action_records_document_not_null NOT NULL,
    provenance json
);
ALTER TABLE ONLY public.action_records_2026_12 ALTER COLUMN document SET STORAGE EXTERNAL;


--
-- Name: action_records_2027_01; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records_2027_01 (
    id uuid CONSTRAINT action_records_id_not_null NOT NULL,
    seq bigint CONSTRAINT action_records_seq_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT action_records_recorded_at_not_null NOT NULL,
    action_type character varying(253),
    state character varying(16) CONSTRAINT action_records_state_not_null NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea CONSTRAINT action_records_document_not_null NOT NULL,
    provenance json
);
ALTER TABLE ONLY public.action_records_2027_01 ALTER COLUMN document SET STORAGE EXTERNAL;


--
-- Name: action_records_2027_02; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_records_2027_02 (
    id uuid CONSTRAINT action_records_id_not_null NOT NULL,
    seq bigint CONSTRAINT action_records_seq_not_null NOT NULL,
    recorded_at timestamp with time zone CONSTRAINT action_records_recorded_at_not_null NOT NULL,
    action_type character varying(253),
    state character varying(16) CONSTRAINT action_records_state_not_null NOT NULL,
    target text,
    namespace character varying(253),
    workflow character varying(253),
    remediation character varying(253),
    signal character varying(253),
    dry_run boolean,
    undoes uuid,
    image text,
    requester text,
    document bytea CONSTRAINT action_records_document_not_null NOT NULL,
    provenance json
);
ALTER TABLE ONLY public.action_records_2027_02 ALTER COLUMN document SET STORAGE EXTERNAL;


--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: commits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits (
    at timestamp with time zone NOT NULL,
    batch bigint NOT NULL,
    first_seq bigint NOT NULL,
    count integer NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL,
    chain bytea NOT NULL,
    leaves bytea NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
)
PARTITION BY RANGE (at);
ALTER TABLE ONLY public.commits ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: commits_2026_08; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits_2026_08 (
    at timestamp with time zone CONSTRAINT commits_at_not_null NOT NULL,
    batch bigint CONSTRAINT commits_batch_not_null NOT NULL,
    first_seq bigint CONSTRAINT commits_first_seq_not_null NOT NULL,
    count integer CONSTRAINT commits_count_not_null NOT NULL,
    root bytea CONSTRAINT commits_root_not_null NOT NULL,
    previous bytea CONSTRAINT commits_previous_not_null NOT NULL,
    chain bytea CONSTRAINT commits_chain_not_null NOT NULL,
    leaves bytea CONSTRAINT commits_leaves_not_null NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
);
ALTER TABLE ONLY public.commits_2026_08 ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: commits_2026_09; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits_2026_09 (
    at timestamp with time zone CONSTRAINT commits_at_not_null NOT NULL,
    batch bigint CONSTRAINT commits_batch_not_null NOT NULL,
    first_seq bigint CONSTRAINT commits_first_seq_not_null NOT NULL,
    count integer CONSTRAINT commits_count_not_null NOT NULL,
    root bytea CONSTRAINT commits_root_not_null NOT NULL,
    previous bytea CONSTRAINT commits_previous_not_null NOT NULL,
    chain bytea CONSTRAINT commits_chain_not_null NOT NULL,
    leaves bytea CONSTRAINT commits_leaves_not_null NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
);
ALTER TABLE ONLY public.commits_2026_09 ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: commits_2026_10; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits_2026_10 (
    at timestamp with time zone CONSTRAINT commits_at_not_null NOT NULL,
    batch bigint CONSTRAINT commits_batch_not_null NOT NULL,
    first_seq bigint CONSTRAINT commits_first_seq_not_null NOT NULL,
    count integer CONSTRAINT commits_count_not_null NOT NULL,
    root bytea CONSTRAINT commits_root_not_null NOT NULL,
    previous bytea CONSTRAINT commits_previous_not_null NOT NULL,
    chain bytea CONSTRAINT commits_chain_not_null NOT NULL,
    leaves bytea CONSTRAINT commits_leaves_not_null NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
);
ALTER TABLE ONLY public.commits_2026_10 ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: commits_2026_11; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits_2026_11 (
    at timestamp with time zone CONSTRAINT commits_at_not_null NOT NULL,
    batch bigint CONSTRAINT commits_batch_not_null NOT NULL,
    first_seq bigint CONSTRAINT commits_first_seq_not_null NOT NULL,
    count integer CONSTRAINT commits_count_not_null NOT NULL,
    root bytea CONSTRAINT commits_root_not_null NOT NULL,
    previous bytea CONSTRAINT commits_previous_not_null NOT NULL,
    chain bytea CONSTRAINT commits_chain_not_null NOT NULL,
    leaves bytea CONSTRAINT commits_leaves_not_null NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
);
ALTER TABLE ONLY public.commits_2026_11 ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: commits_2026_12; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits_2026_12 (
    at timestamp with time zone CONSTRAINT commits_at_not_null NOT NULL,
    batch bigint CONSTRAINT commits_batch_not_null NOT NULL,
    first_seq bigint CONSTRAINT commits_first_seq_not_null NOT NULL,
    count integer CONSTRAINT commits_count_not_null NOT NULL,
    root bytea CONSTRAINT commits_root_not_null NOT NULL,
    previous bytea CONSTRAINT commits_previous_not_null NOT NULL,
    chain bytea CONSTRAINT commits_chain_not_null NOT NULL,
    leaves bytea CONSTRAINT commits_leaves_not_null NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
);
ALTER TABLE ONLY public.commits_2026_12 ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: commits_2027_01; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits_2027_01 (
    at timestamp with time zone CONSTRAINT commits_at_not_null NOT NULL,
    batch bigint CONSTRAINT commits_batch_not_null NOT NULL,
    first_seq bigint CONSTRAINT commits_first_seq_not_null NOT NULL,
    count integer CONSTRAINT commits_count_not_null NOT NULL,
    root bytea CONSTRAINT commits_root_not_null NOT NULL,
    previous bytea CONSTRAINT commits_previous_not_null NOT NULL,
    chain bytea CONSTRAINT commits_chain_not_null NOT NULL,
    leaves bytea CONSTRAINT commits_leaves_not_null NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
);
ALTER TABLE ONLY public.commits_2027_01 ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: commits_2027_02; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commits_2027_02 (
    at timestamp with time zone CONSTRAINT commits_at_not_null NOT NULL,
    batch bigint CONSTRAINT commits_batch_not_null NOT NULL,
    first_seq bigint CONSTRAINT commits_first_seq_not_null NOT NULL,
    count integer CONSTRAINT commits_count_not_null NOT NULL,
    root bytea CONSTRAINT commits_root_not_null NOT NULL,
    previous bytea CONSTRAINT commits_previous_not_null NOT NULL,
    chain bytea CONSTRAINT commits_chain_not_null NOT NULL,
    leaves bytea CONSTRAINT commits_leaves_not_null NOT NULL,
    note json,
    key_id character varying(16),
    signature bytea
);
ALTER TABLE ONLY public.commits_2027_02 ALTER COLUMN leaves SET STORAGE EXTERNAL;


--
-- Name: legal_holds; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.legal_holds (
    month character varying(7) NOT NULL,
    reason text NOT NULL,
    since timestamp with time zone NOT NULL
);


--
-- Name: record_counts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.record_counts (
    day character varying(10) NOT NULL,
    action_type character varying(253) NOT NULL,
    state character varying(16) NOT NULL,
    dry_run boolean NOT NULL,
    records bigint NOT NULL
);


--
-- Name: signals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.signals (
    fingerprint character varying(253) NOT NULL,
    fired_at character varying(27) NOT NULL,
    resolved_at character varying(27),
    name text,
    severity text
);


--
-- Name: sweeps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sweeps (
    id integer NOT NULL,
    month character varying(7) NOT NULL
);


--
-- Name: action_records_2026_08; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records ATTACH PARTITION public.action_records_2026_08 FOR VALUES FROM ('019fba9e-d800-0000-0000-000000000000') TO ('01a05a43-fc00-0000-0000-000000000000');


--
-- Name: action_records_2026_09; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records ATTACH PARTITION public.action_records_2026_09 FOR VALUES FROM ('01a05a43-fc00-0000-0000-000000000000') TO ('01a0f4c2-c400-0000-0000-000000000000');


--
-- Name: action_records_2026_10; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records ATTACH PARTITION public.action_records_2026_10 FOR VALUES FROM ('01a0f4c2-c400-0000-0000-000000000000') TO ('01a19467-e800-0000-0000-000000000000');


--
-- Name: action_records_2026_11; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records ATTACH PARTITION public.action_records_2026_11 FOR VALUES FROM ('01a19467-e800-0000-0000-000000000000') TO ('01a22ee6-b000-0000-0000-000000000000');


--
-- Name: action_records_2026_12; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records ATTACH PARTITION public.action_records_2026_12 FOR VALUES FROM ('01a22ee6-b000-0000-0000-000000000000') TO ('01a2ce8b-d400-0000-0000-000000000000');


--
-- Name: action_records_2027_01; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records ATTACH PARTITION public.action_records_2027_01 FOR VALUES FROM ('01a2ce8b-d400-0000-0000-000000000000') TO ('01a36e30-f800-0000-0000-000000000000');


--
-- Name: action_records_2027_02; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records ATTACH PARTITION public.action_records_2027_02 FOR VALUES FROM ('01a36e30-f800-0000-0000-000000000000') TO ('01a3fe63-0800-0000-0000-000000000000');


--
-- Name: commits_2026_08; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits ATTACH PARTITION public.commits_2026_08 FOR VALUES FROM ('2026-08-01 00:00:00+00') TO ('2026-09-01 00:00:00+00');


--
-- Name: commits_2026_09; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits ATTACH PARTITION public.commits_2026_09 FOR VALUES FROM ('2026-09-01 00:00:00+00') TO ('2026-10-01 00:00:00+00');


--
-- Name: commits_2026_10; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits ATTACH PARTITION public.commits_2026_10 FOR VALUES FROM ('2026-10-01 00:00:00+00') TO ('2026-11-01 00:00:00+00');


--
-- Name: commits_2026_11; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits ATTACH PARTITION public.commits_2026_11 FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00');


--
-- Name: commits_2026_12; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits ATTACH PARTITION public.commits_2026_12 FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');


--
-- Name: commits_2027_01; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits ATTACH PARTITION public.commits_2027_01 FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00');


--
-- Name: commits_2027_02; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits ATTACH PARTITION public.commits_2027_02 FOR VALUES FROM ('2027-02-01 00:00:00+00') TO ('2027-03-01 00:00:00+00');


--
-- Data for Name: action_records_2026_08; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.action_records_2026_08 (id, seq, recorded_at, action_type, state, target, namespace, workflow, remediation, signal, dry_run, undoes, image, requester, document, provenance) FROM stdin;
\.


--
-- Data for Name: action_records_2026_09; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.action_records_2026_09 (id, seq, recorded_at, action_type, state, target, namespace, workflow, remediation, signal, dry_run, undoes, image, requester, document, provenance) FROM stdin;
\.


--
-- Data for Name: action_records_2026_10; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.action_records_2026_10 (id, seq, recorded_at, action_type, state, target, namespace, workflow, remediation, signal, dry_run, undoes, image, requester, document, provenance) FROM stdin;
\.


--
-- Data for Name: action_records_2026_11; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.action_records_2026_11 (id, seq, recorded_at, action_type, state, target, namespace, workflow, remediation, signal, dry_run, undoes, image, requester, document, provenance) FROM stdin;
01a22509-2fe4-71cb-8ed5-02a3f3dfe521	12	2026-11-29 02:01:30.544195+00	kubernetes/scale_deployment	succeeded	shop/Deployment/checkout	shop	scale-out	\N	7f3a5c1e9b2d4680	\N	\N	x@sha256:0000000000000000000000000000000000000000000000000000000000000000	alice	\\x0128b52ffd6013017d050024067363616c655f31312d32395430323a30313a32382e3830343437365a36357830616c69636537663361356331653962326434363830436865636b6f75744c6174656e637948696768737465702d356373686f70227d7363616c652d35633166227d7d1900120401acaa4b01f9b5bd041496010fd91d1061a0208e7220407084b040726d0085083f4240a32884204e5e1f41b89320ec9f48983f514b3f71c1a880c05421344ce1407b1975341440	{"keys":[["started","container","2026-11-29T02:01:28.804476Z",["image","requester","signal","step","target","workflow"]]]}
01a22509-2fe4-7313-a1ec-27785c359f0e	10	2026-11-29 02:01:30.544195+00	kubernetes/scale_deployment	planned	shop/Deployment/checkout	shop	scale-out	\N	7f3a5c1e9b2d4680	\N	\N	x@sha256:0000000000000000000000000000000000000000000000000000000000000000	alice	\\x0128b52ffd601201d5050074067363616c655f31312d32395430323a30313a32382e3830343434395a34337830616c69636537663361356331653962326434363830436865636b6f75744c6174656e637948696768706c616e6e737465702d336373686f70227d7363616c652d35633166227d7d1b00110401acaa0b01f9a5bd041096c10ed919106198208ed240b03e106d48425830b9369042842721a05514421027cf8f20ec49100327b2f8278ef3276aee27ae191530982a8486291c682fa38e860208	{"keys":[["started","container","2026-11-29T02:01:28.804449Z",["image","requester","signal","step","target","workflow"]]]}
01a22509-2fe4-7604-96dd-73aadc319065	11	2026-11-29 02:01:30.544195+00	kubernetes/scale_deployment	cancelled	shop/Deployment/checkout	shop	scale-out	\N	7f3a5c1e9b2d4680	\N	\N	x@sha256:0000000000000000000000000000000000000000000000000000000000000000	alice	\\x0128b52ffd601401dd050094067363616c655f31312d32395430323a30313a32382e3830343436325a35347830616c69636537663361356331653962326434363830436865636b6f75744c6174656e63794869676863616e63656c6c737465702d346373686f70227d7363616c652d35633166227d7d1b00130401acaa8b01f9c5bd041496010fd9211061a8208e02d81e881624212c985c1b4821c29310d02a0a218893e74710f62488811359fc13c7f91335f713d78c0a184c1542c3140eb4975147430104	{"keys":[["started","container","2026-11-29T02:01:28.804462Z",["image","requester","signal","step","target","workflow"]]]}
01a22509-2fe4-7a47-a889-1cc95f1fe692	8	2026-11-29 02:01:30.544195+00	kubernetes/scale_deployment	failed	shop/Deployment/checkout	shop	scale-out	\N	7f3a5c1e9b2d4680	\N	\N	x@sha256:0000000000000000000000000000000000000000000000000000000000000000	alice	\\x0128b52ffd601101cd050064067363616c655f31312d32395430323a30313a32382e3830343432315a32317830616c69636537663361356331653962326434363830436865636b6f75744c6174656e6379486967686661696c737465702d316373686f70227d7363616c652d35633166227d7d1b00600501acaacb00f995bd040e96a10ed915106190208ec240303d102d48425830b9369042842721a05514421027cf8f20ec49100327b2f8278ef3276aee27ae191530982a8486291c682fa38e860208	{"keys":[["started","container","2026-11-29T02:01:28.804421Z",["image","requester","signal","step","target","workflow"]]]}
01a22509-2fe4-7cee-9dc6-fee3092c09ea	9	2026-11-29 02:01:30.544195+00	kubernetes/scale_deployment	unchanged	shop/Deployment/checkout	shop	scale-out	\N	7f3a5c1e9b2d4680	\N	\N	x@sha256:0000000000000000000000000000000000000000000000000000000000000000	alice	\\x0128b52ffd601401c5050044067363616c655f31312d32395430323a30313a32382e3830343433365a33327830616c69636537663361356331653962326434363830436865636b6f75744c6174656e637948696768756e737465702d326373686f70227d7363616c652d35633166227d7d1c00130401acaa8b01f9c5bd041496010fd9211061a8204e81011d6bf081b84212c282c9b58114223c0901ada2108238797e04614f82183891c53f719c3f51733f71cda880c15421344ce1407b1975341440	{"keys":[["started","container","2026-11-29T02:01:28.804436Z",["image","requester","signal","step","target","workflow"]]]}
01a22509-2fe4-7fc5-a224-892eba977747	7	2026-11-29 02:01:30.544195+00	kubernetes/scale_deployment	succeeded	shop/Deployment/checkout	shop	scale-out	\N	7f3a5c1e9b2d4680	\N	\N	x@sha256:0000000000000000000000000000000000000000000000000000000000000000	alice	\\x0128b52ffd6013017d050024067363616c655f31312d32395430323a30313a32382e3830343336325a31307830616c69636537663361356331653962326434363830436865636b6f75744c6174656e637948696768737465702d306373686f70227d7363616c652d35633166227d7d1900120401acaa4b01f9b5bd041496010fd91d1061a0208e7220407084b040726d0085083f4240a32884204e5e1f41b89320ec9f48983f514b3f71c1a880c05421344ce1407b1975341440	{"keys":[["started","container","2026-11-29T02:01:28.804362Z",["image","requester","signal","step","target","workflow"]]]}
\.


--
-- Data for Name: action_records_2026_12; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.action_records_2026_12 (id, seq, recorded_at, action_type, state, target, namespace, workflow, remediation, signal, dry_run, undoes, image, requester, document, provenance) FROM stdin;
\.


--
-- Data for Name: action_records_2027_01; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.action_records_2027_01 (id, seq, recorded_at, action_type, state, target, namespace, workflow, remediation, signal, dry_run, undoes, image, requester, document, provenance) FROM stdin;
\.


--
-- Data for Name: action_records_2027_02; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.action_records_2027_02 (id, seq, recorded_at, action_type, state, target, namespace, workflow, remediation, signal, dry_run, undoes, image, requester, document, provenance) FROM stdin;
\.


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.alembic_version (version_num) FROM stdin;
0005
\.


--
-- Data for Name: commits_2026_08; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.commits_2026_08 (at, batch, first_seq, count, root, previous, chain, leaves, note, key_id, signature) FROM stdin;
\.


--
-- Data for Name: commits_2026_09; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.commits_2026_09 (at, batch, first_seq, count, root, previous, chain, leaves, note, key_id, signature) FROM stdin;
\.


--
-- Data for Name: commits_2026_10; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.commits_2026_10 (at, batch, first_seq, count, root, previous, chain, leaves, note, key_id, signature) FROM stdin;
\.


--
-- Data for Name: commits_2026_11; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.commits_2026_11 (at, batch, first_seq, count, root, previous, chain, leaves, note, key_id, signature) FROM stdin;
2026-11-29 02:01:30.472098+00	1	1	6	\\x5f30c8eef4acc2f8d9c88f046ea31b69bfe5f275570476d61806ef70f7ab38e0	\\x0000000000000000000000000000000000000000000000000000000000000000	\\xd5ab402b14dc1674a6dcd4fe658624a2ff3a1555a01cc57e9fb4670f227792c6	\\x01a225092fe47fc5a224892eba9777476b9d940fbe4b7ed666854e92fd61e3001a036050c5595888f0ebe2f640fb8ed76b9d940fbe4b7ed666854e92fd61e3001a036050c5595888f0ebe2f640fb8ed701a225092fe47a47a8891cc95f1fe692cbc6d17ac449319488aac1ccfcff3fe22a6711996308f24e9a807b061d9ea57ccbc6d17ac449319488aac1ccfcff3fe22a6711996308f24e9a807b061d9ea57c01a225092fe47cee9dc6fee3092c09ea90fd0eb22dcd60b7a45016e1f4ed8d39bd560785acfbd5c70558a7377aba75e990fd0eb22dcd60b7a45016e1f4ed8d39bd560785acfbd5c70558a7377aba75e901a225092fe47313a1ec27785c359f0e96f3b52921253cb882e870e70dafde38970da07362a22f0ddf9e749c9188465996f3b52921253cb882e870e70dafde38970da07362a22f0ddf9e749c9188465901a225092fe4760496dd73aadc3190657fb9c8d769fb0becdf7da97eb801c2fda6193c3b2547f975642b4c4ee392c3c97fb9c8d769fb0becdf7da97eb801c2fda6193c3b2547f975642b4c4ee392c3c901a225092fe471cb8ed502a3f3dfe521b4767003055e5721a20ada7b2bfcafa6bef1765e296cdcc58283f8b14b1e7998b4767003055e5721a20ada7b2bfcafa6bef1765e296cdcc58283f8b14b1e7998	\N	\N	\N
2026-11-29 02:01:30.544195+00	2	7	6	\\x8f6f8f93adea2e2325ec970bb0c8b07789d42721ead7ec983e9b393ef3f8fb39	\\xd5ab402b14dc1674a6dcd4fe658624a2ff3a1555a01cc57e9fb4670f227792c6	\\x7bd9ef7b62796d2d7220f647777fbfe33167cfb9f492fb6d0cbb20b0a82b6381	\\x01a225092fe47fc5a224892eba97774783f49254d3c7e9abe94437525de1d28dc4e587c402fb45943e51fe58ada70e6e2f3007e9013c351c89e2f515d4e152b117f7ab38d7090745a5e56b544856d88b01a225092fe47a47a8891cc95f1fe692401f4b704ef7a8263e923f0f2d7dc980d3b75b29ee66ef4d88637ed2e2cb10ab6db05c04baca7a727b59ccbf4ead99d57415928c85b0b9e77d3c40be8bf952fb01a225092fe47cee9dc6fee3092c09eab56a7f5737f007a5b970e6c705103794ab6436dc0ded68173398f4e9699b0db4dd678185c358e387e5f3fa67dd3547175e41751f82ae384da83ef0b541daf2ee01a225092fe47313a1ec27785c359f0e4115b4c78b679daffc5b65f6a9fb0b14bb56d5f4b775cbf720f40b6a350e4c93de160f12b7650a5e5290f3d0f3d72a02888200c2af39a71d885bebe28e2d32c701a225092fe4760496dd73aadc319065323384201a8137057e041f7ac282c457f540f10ac09c0b5448a85fc2dfc78be44733fd62a87f7e892a1f2ad7109e1ccc2c873252e52ab9372b5983b42362d62a01a225092fe471cb8ed502a3f3dfe5212d2de65e37ba072b0ac8464f4a8b21b84f43993ea7a45e05ef5fd8aab45b73c548f763c1a40f9fc03064b0baecae3a4f6ca272a1c4ebf5a329087e64c765f712	\N	\N	\N
\.


--
-- Data for Name: commits_2026_12; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.commits_2026_12 (at, batch, first_seq, count, root, previous, chain, leaves, note, key_id, signature) FROM stdin;
\.


--
-- Data for Name: commits_2027_01; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.commits_2027_01 (at, batch, first_seq, count, root, previous, chain, leaves, note, key_id, signature) FROM stdin;
\.


--
-- Data for Name: commits_2027_02; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.commits_2027_02 (at, batch, first_seq, count, root, previous, chain, leaves, note, key_id, signature) FROM stdin;
\.


--
-- Data for Name: legal_holds; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.legal_holds (month, reason, since) FROM stdin;
\.


--
-- Data for Name: record_counts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.record_counts (day, action_type, state, dry_run, records) FROM stdin;
2026-11-29	kubernetes/scale_deployment	succeeded	f	2
2026-11-29	kubernetes/scale_deployment	started	f	0
2026-11-29	kubernetes/scale_deployment	failed	f	1
2026-11-29	kubernetes/scale_deployment	unchanged	f	1
2026-11-29	kubernetes/scale_deployment	planned	f	1
2026-11-29	kubernetes/scale_deployment	cancelled	f	1
\.


--
-- Data for Name: signals; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.signals (fingerprint, fired_at, resolved_at, name, severity) FROM stdin;
7f3a5c1e9b2d4680	2026-11-29T02:01:28.804485Z	\N	CheckoutLatencyHigh	critical
\.


--
-- Data for Name: sweeps; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.sweeps (id, month) FROM stdin;
\.


--
-- Name: action_records action_records_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records
    ADD CONSTRAINT action_records_pkey PRIMARY KEY (id);


--
-- Name: action_records_2026_08 action_records_2026_08_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records_2026_08
    ADD CONSTRAINT action_records_2026_08_pkey PRIMARY KEY (id);


--
-- Name: action_records_2026_09 action_records_2026_09_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records_2026_09
    ADD CONSTRAINT action_records_2026_09_pkey PRIMARY KEY (id);


--
-- Name: action_records_2026_10 action_records_2026_10_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records_2026_10
    ADD CONSTRAINT action_records_2026_10_pkey PRIMARY KEY (id);


--
-- Name: action_records_2026_11 action_records_2026_11_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records_2026_11
    ADD CONSTRAINT action_records_2026_11_pkey PRIMARY KEY (id);


--
-- Name: action_records_2026_12 action_records_2026_12_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records_2026_12
    ADD CONSTRAINT action_records_2026_12_pkey PRIMARY KEY (id);


--
-- Name: action_records_2027_01 action_records_2027_01_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records_2027_01
    ADD CONSTRAINT action_records_2027_01_pkey PRIMARY KEY (id);


--
-- Name: action_records_2027_02 action_records_2027_02_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_records_2027_02
    ADD CONSTRAINT action_records_2027_02_pkey PRIMARY KEY (id);


--
-- Name: alembic_version alembic_version_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkey PRIMARY KEY (version_num);


--
-- Name: commits commits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits
    ADD CONSTRAINT commits_pkey PRIMARY KEY (at, batch);


--
-- Name: commits_2026_08 commits_2026_08_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits_2026_08
    ADD CONSTRAINT commits_2026_08_pkey PRIMARY KEY (at, batch);


--
-- Name: commits_2026_09 commits_2026_09_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits_2026_09
    ADD CONSTRAINT commits_2026_09_pkey PRIMARY KEY (at, batch);


--
-- Name: commits_2026_10 commits_2026_10_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits_2026_10
    ADD CONSTRAINT commits_2026_10_pkey PRIMARY KEY (at, batch);


--
-- Name: commits_2026_11 commits_2026_11_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits_2026_11
    ADD CONSTRAINT commits_2026_11_pkey PRIMARY KEY (at, batch);


--
-- Name: commits_2026_12 commits_2026_12_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits_2026_12
    ADD CONSTRAINT commits_2026_12_pkey PRIMARY KEY (at, batch);


--
-- Name: commits_2027_01 commits_2027_01_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits_2027_01
    ADD CONSTRAINT commits_2027_01_pkey PRIMARY KEY (at, batch);


--
-- Name: commits_2027_02 commits_2027_02_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commits_2027_02
    ADD CONSTRAINT commits_2027_02_pkey PRIMARY KEY (at, batch);


--
-- Name: legal_holds legal_holds_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.legal_holds
    ADD CONSTRAINT legal_holds_pkey PRIMARY KEY (month);


--
-- Name: record_counts record_counts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.record_counts
    ADD CONSTRAINT record_counts_pkey PRIMARY KEY (day, action_type, state, dry_run);


--
-- Name: signals signals_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (fingerprint, fired_at);


--
-- Name: sweeps sweeps_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (id);


--
-- Name: action_records_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_type ON ONLY public.action_records USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_2026_08_action_type_id_state_dry_run_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_action_type_id_state_dry_run_seq_idx ON public.action_records_2026_08 USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_type_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_type_state ON ONLY public.action_records USING btree (action_type, state, id);


--
-- Name: action_records_2026_08_action_type_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_action_type_state_id_idx ON public.action_records_2026_08 USING btree (action_type, state, id);


--
-- Name: action_records_dry_run; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_dry_run ON ONLY public.action_records USING btree (id) WHERE dry_run;


--
-- Name: action_records_2026_08_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_id_idx ON public.action_records_2026_08 USING btree (id) WHERE dry_run;


--
-- Name: action_records_image; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_image ON ONLY public.action_records USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_2026_08_image_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_image_id_idx ON public.action_records_2026_08 USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_namespace; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_namespace ON ONLY public.action_records USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_2026_08_namespace_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_namespace_id_idx ON public.action_records_2026_08 USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_remediation; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_remediation ON ONLY public.action_records USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_2026_08_remediation_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_remediation_id_idx ON public.action_records_2026_08 USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_requester; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_requester ON ONLY public.action_records USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_2026_08_requester_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_requester_id_idx ON public.action_records_2026_08 USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_seq; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_seq ON ONLY public.action_records USING btree (seq);


--
-- Name: action_records_2026_08_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_seq_idx ON public.action_records_2026_08 USING btree (seq);


--
-- Name: action_records_signal; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_signal ON ONLY public.action_records USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_2026_08_signal_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_signal_id_idx ON public.action_records_2026_08 USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_state ON ONLY public.action_records USING btree (state, id);


--
-- Name: action_records_2026_08_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_state_id_idx ON public.action_records_2026_08 USING btree (state, id);


--
-- Name: action_records_target; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_target ON ONLY public.action_records USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_2026_08_target_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_target_id_idx ON public.action_records_2026_08 USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_undoes; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_undoes ON ONLY public.action_records USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_2026_08_undoes_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_undoes_id_idx ON public.action_records_2026_08 USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_workflow; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_workflow ON ONLY public.action_records USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: action_records_2026_08_workflow_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_08_workflow_id_idx ON public.action_records_2026_08 USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: action_records_2026_09_action_type_id_state_dry_run_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_action_type_id_state_dry_run_seq_idx ON public.action_records_2026_09 USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_2026_09_action_type_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_action_type_state_id_idx ON public.action_records_2026_09 USING btree (action_type, state, id);


--
-- Name: action_records_2026_09_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_id_idx ON public.action_records_2026_09 USING btree (id) WHERE dry_run;


--
-- Name: action_records_2026_09_image_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_image_id_idx ON public.action_records_2026_09 USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_2026_09_namespace_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_namespace_id_idx ON public.action_records_2026_09 USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_2026_09_remediation_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_remediation_id_idx ON public.action_records_2026_09 USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_2026_09_requester_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_requester_id_idx ON public.action_records_2026_09 USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_2026_09_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_seq_idx ON public.action_records_2026_09 USING btree (seq);


--
-- Name: action_records_2026_09_signal_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_signal_id_idx ON public.action_records_2026_09 USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_2026_09_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_state_id_idx ON public.action_records_2026_09 USING btree (state, id);


--
-- Name: action_records_2026_09_target_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_target_id_idx ON public.action_records_2026_09 USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_2026_09_undoes_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_undoes_id_idx ON public.action_records_2026_09 USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_2026_09_workflow_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_09_workflow_id_idx ON public.action_records_2026_09 USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: action_records_2026_10_action_type_id_state_dry_run_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_action_type_id_state_dry_run_seq_idx ON public.action_records_2026_10 USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_2026_10_action_type_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_action_type_state_id_idx ON public.action_records_2026_10 USING btree (action_type, state, id);


--
-- Name: action_records_2026_10_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_id_idx ON public.action_records_2026_10 USING btree (id) WHERE dry_run;


--
-- Name: action_records_2026_10_image_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_image_id_idx ON public.action_records_2026_10 USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_2026_10_namespace_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_namespace_id_idx ON public.action_records_2026_10 USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_2026_10_remediation_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_remediation_id_idx ON public.action_records_2026_10 USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_2026_10_requester_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_requester_id_idx ON public.action_records_2026_10 USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_2026_10_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_seq_idx ON public.action_records_2026_10 USING btree (seq);


--
-- Name: action_records_2026_10_signal_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_signal_id_idx ON public.action_records_2026_10 USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_2026_10_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_state_id_idx ON public.action_records_2026_10 USING btree (state, id);


--
-- Name: action_records_2026_10_target_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_target_id_idx ON public.action_records_2026_10 USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_2026_10_undoes_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_undoes_id_idx ON public.action_records_2026_10 USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_2026_10_workflow_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_10_workflow_id_idx ON public.action_records_2026_10 USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: action_records_2026_11_action_type_id_state_dry_run_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_action_type_id_state_dry_run_seq_idx ON public.action_records_2026_11 USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_2026_11_action_type_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_action_type_state_id_idx ON public.action_records_2026_11 USING btree (action_type, state, id);


--
-- Name: action_records_2026_11_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_id_idx ON public.action_records_2026_11 USING btree (id) WHERE dry_run;


--
-- Name: action_records_2026_11_image_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_image_id_idx ON public.action_records_2026_11 USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_2026_11_namespace_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_namespace_id_idx ON public.action_records_2026_11 USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_2026_11_remediation_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_remediation_id_idx ON public.action_records_2026_11 USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_2026_11_requester_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_requester_id_idx ON public.action_records_2026_11 USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_2026_11_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_seq_idx ON public.action_records_2026_11 USING btree (seq);


--
-- Name: action_records_2026_11_signal_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_signal_id_idx ON public.action_records_2026_11 USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_2026_11_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_state_id_idx ON public.action_records_2026_11 USING btree (state, id);


--
-- Name: action_records_2026_11_target_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_target_id_idx ON public.action_records_2026_11 USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_2026_11_undoes_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_undoes_id_idx ON public.action_records_2026_11 USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_2026_11_workflow_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_11_workflow_id_idx ON public.action_records_2026_11 USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: action_records_2026_12_action_type_id_state_dry_run_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_action_type_id_state_dry_run_seq_idx ON public.action_records_2026_12 USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_2026_12_action_type_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_action_type_state_id_idx ON public.action_records_2026_12 USING btree (action_type, state, id);


--
-- Name: action_records_2026_12_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_id_idx ON public.action_records_2026_12 USING btree (id) WHERE dry_run;


--
-- Name: action_records_2026_12_image_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_image_id_idx ON public.action_records_2026_12 USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_2026_12_namespace_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_namespace_id_idx ON public.action_records_2026_12 USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_2026_12_remediation_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_remediation_id_idx ON public.action_records_2026_12 USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_2026_12_requester_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_requester_id_idx ON public.action_records_2026_12 USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_2026_12_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_seq_idx ON public.action_records_2026_12 USING btree (seq);


--
-- Name: action_records_2026_12_signal_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_signal_id_idx ON public.action_records_2026_12 USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_2026_12_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_state_id_idx ON public.action_records_2026_12 USING btree (state, id);


--
-- Name: action_records_2026_12_target_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_target_id_idx ON public.action_records_2026_12 USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_2026_12_undoes_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_undoes_id_idx ON public.action_records_2026_12 USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_2026_12_workflow_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2026_12_workflow_id_idx ON public.action_records_2026_12 USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: action_records_2027_01_action_type_id_state_dry_run_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_action_type_id_state_dry_run_seq_idx ON public.action_records_2027_01 USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_2027_01_action_type_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_action_type_state_id_idx ON public.action_records_2027_01 USING btree (action_type, state, id);


--
-- Name: action_records_2027_01_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_id_idx ON public.action_records_2027_01 USING btree (id) WHERE dry_run;


--
-- Name: action_records_2027_01_image_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_image_id_idx ON public.action_records_2027_01 USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_2027_01_namespace_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_namespace_id_idx ON public.action_records_2027_01 USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_2027_01_remediation_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_remediation_id_idx ON public.action_records_2027_01 USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_2027_01_requester_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_requester_id_idx ON public.action_records_2027_01 USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_2027_01_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_seq_idx ON public.action_records_2027_01 USING btree (seq);


--
-- Name: action_records_2027_01_signal_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_signal_id_idx ON public.action_records_2027_01 USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_2027_01_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_state_id_idx ON public.action_records_2027_01 USING btree (state, id);


--
-- Name: action_records_2027_01_target_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_target_id_idx ON public.action_records_2027_01 USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_2027_01_undoes_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_undoes_id_idx ON public.action_records_2027_01 USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_2027_01_workflow_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_01_workflow_id_idx ON public.action_records_2027_01 USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: action_records_2027_02_action_type_id_state_dry_run_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_action_type_id_state_dry_run_seq_idx ON public.action_records_2027_02 USING btree (action_type, id DESC) INCLUDE (state, dry_run, seq);


--
-- Name: action_records_2027_02_action_type_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_action_type_state_id_idx ON public.action_records_2027_02 USING btree (action_type, state, id);


--
-- Name: action_records_2027_02_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_id_idx ON public.action_records_2027_02 USING btree (id) WHERE dry_run;


--
-- Name: action_records_2027_02_image_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_image_id_idx ON public.action_records_2027_02 USING btree (image, id) WHERE (image IS NOT NULL);


--
-- Name: action_records_2027_02_namespace_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_namespace_id_idx ON public.action_records_2027_02 USING btree (namespace, id) WHERE (namespace IS NOT NULL);


--
-- Name: action_records_2027_02_remediation_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_remediation_id_idx ON public.action_records_2027_02 USING btree (remediation, id) WHERE (remediation IS NOT NULL);


--
-- Name: action_records_2027_02_requester_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_requester_id_idx ON public.action_records_2027_02 USING btree (requester, id) WHERE (requester IS NOT NULL);


--
-- Name: action_records_2027_02_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_seq_idx ON public.action_records_2027_02 USING btree (seq);


--
-- Name: action_records_2027_02_signal_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_signal_id_idx ON public.action_records_2027_02 USING btree (signal, id) WHERE (signal IS NOT NULL);


--
-- Name: action_records_2027_02_state_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_state_id_idx ON public.action_records_2027_02 USING btree (state, id);


--
-- Name: action_records_2027_02_target_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_target_id_idx ON public.action_records_2027_02 USING btree (target, id) WHERE (target IS NOT NULL);


--
-- Name: action_records_2027_02_undoes_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_undoes_id_idx ON public.action_records_2027_02 USING btree (undoes, id) WHERE (undoes IS NOT NULL);


--
-- Name: action_records_2027_02_workflow_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX action_records_2027_02_workflow_id_idx ON public.action_records_2027_02 USING btree (workflow, id) WHERE (workflow IS NOT NULL);


--
-- Name: commits_first_seq; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_first_seq ON ONLY public.commits USING btree (first_seq);


--
-- Name: commits_2026_08_first_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_2026_08_first_seq_idx ON public.commits_2026_08 USING btree (first_seq);


--
-- Name: commits_2026_09_first_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_2026_09_first_seq_idx ON public.commits_2026_09 USING btree (first_seq);


--
-- Name: commits_2026_10_first_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_2026_10_first_seq_idx ON public.commits_2026_10 USING btree (first_seq);


--
-- Name: commits_2026_11_first_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_2026_11_first_seq_idx ON public.commits_2026_11 USING btree (first_seq);


--
-- Name: commits_2026_12_first_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_2026_12_first_seq_idx ON public.commits_2026_12 USING btree (first_seq);


--
-- Name: commits_2027_01_first_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_2027_01_first_seq_idx ON public.commits_2027_01 USING btree (first_seq);


--
-- Name: commits_2027_02_first_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commits_2027_02_first_seq_idx ON public.commits_2027_02 USING btree (first_seq);


--
-- Name: signals_fired_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX signals_fired_at ON public.signals USING btree (fired_at);


--
-- Name: action_records_2026_08_action_type_id_state_dry_run_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type ATTACH PARTITION public.action_records_2026_08_action_type_id_state_dry_run_seq_idx;


--
-- Name: action_records_2026_08_action_type_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type_state ATTACH PARTITION public.action_records_2026_08_action_type_state_id_idx;


--
-- Name: action_records_2026_08_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_dry_run ATTACH PARTITION public.action_records_2026_08_id_idx;


--
-- Name: action_records_2026_08_image_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_image ATTACH PARTITION public.action_records_2026_08_image_id_idx;


--
-- Name: action_records_2026_08_namespace_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_namespace ATTACH PARTITION public.action_records_2026_08_namespace_id_idx;


--
-- Name: action_records_2026_08_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_pkey ATTACH PARTITION public.action_records_2026_08_pkey;


--
-- Name: action_records_2026_08_remediation_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_remediation ATTACH PARTITION public.action_records_2026_08_remediation_id_idx;


--
-- Name: action_records_2026_08_requester_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_requester ATTACH PARTITION public.action_records_2026_08_requester_id_idx;


--
-- Name: action_records_2026_08_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_seq ATTACH PARTITION public.action_records_2026_08_seq_idx;


--
-- Name: action_records_2026_08_signal_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_signal ATTACH PARTITION public.action_records_2026_08_signal_id_idx;


--
-- Name: action_records_2026_08_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_state ATTACH PARTITION public.action_records_2026_08_state_id_idx;


--
-- Name: action_records_2026_08_target_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_target ATTACH PARTITION public.action_records_2026_08_target_id_idx;


--
-- Name: action_records_2026_08_undoes_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_undoes ATTACH PARTITION public.action_records_2026_08_undoes_id_idx;


--
-- Name: action_records_2026_08_workflow_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_workflow ATTACH PARTITION public.action_records_2026_08_workflow_id_idx;


--
-- Name: action_records_2026_09_action_type_id_state_dry_run_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type ATTACH PARTITION public.action_records_2026_09_action_type_id_state_dry_run_seq_idx;


--
-- Name: action_records_2026_09_action_type_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type_state ATTACH PARTITION public.action_records_2026_09_action_type_state_id_idx;


--
-- Name: action_records_2026_09_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_dry_run ATTACH PARTITION public.action_records_2026_09_id_idx;


--
-- Name: action_records_2026_09_image_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_image ATTACH PARTITION public.action_records_2026_09_image_id_idx;


--
-- Name: action_records_2026_09_namespace_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_namespace ATTACH PARTITION public.action_records_2026_09_namespace_id_idx;


--
-- Name: action_records_2026_09_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_pkey ATTACH PARTITION public.action_records_2026_09_pkey;


--
-- Name: action_records_2026_09_remediation_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_remediation ATTACH PARTITION public.action_records_2026_09_remediation_id_idx;


--
-- Name: action_records_2026_09_requester_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_requester ATTACH PARTITION public.action_records_2026_09_requester_id_idx;


--
-- Name: action_records_2026_09_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_seq ATTACH PARTITION public.action_records_2026_09_seq_idx;


--
-- Name: action_records_2026_09_signal_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_signal ATTACH PARTITION public.action_records_2026_09_signal_id_idx;


--
-- Name: action_records_2026_09_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_state ATTACH PARTITION public.action_records_2026_09_state_id_idx;


--
-- Name: action_records_2026_09_target_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_target ATTACH PARTITION public.action_records_2026_09_target_id_idx;


--
-- Name: action_records_2026_09_undoes_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_undoes ATTACH PARTITION public.action_records_2026_09_undoes_id_idx;


--
-- Name: action_records_2026_09_workflow_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_workflow ATTACH PARTITION public.action_records_2026_09_workflow_id_idx;


--
-- Name: action_records_2026_10_action_type_id_state_dry_run_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type ATTACH PARTITION public.action_records_2026_10_action_type_id_state_dry_run_seq_idx;


--
-- Name: action_records_2026_10_action_type_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type_state ATTACH PARTITION public.action_records_2026_10_action_type_state_id_idx;


--
-- Name: action_records_2026_10_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_dry_run ATTACH PARTITION public.action_records_2026_10_id_idx;


--
-- Name: action_records_2026_10_image_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_image ATTACH PARTITION public.action_records_2026_10_image_id_idx;


--
-- Name: action_records_2026_10_namespace_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_namespace ATTACH PARTITION public.action_records_2026_10_namespace_id_idx;


--
-- Name: action_records_2026_10_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_pkey ATTACH PARTITION public.action_records_2026_10_pkey;


--
-- Name: action_records_2026_10_remediation_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_remediation ATTACH PARTITION public.action_records_2026_10_remediation_id_idx;


--
-- Name: action_records_2026_10_requester_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_requester ATTACH PARTITION public.action_records_2026_10_requester_id_idx;


--
-- Name: action_records_2026_10_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_seq ATTACH PARTITION public.action_records_2026_10_seq_idx;


--
-- Name: action_records_2026_10_signal_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_signal ATTACH PARTITION public.action_records_2026_10_signal_id_idx;


--
-- Name: action_records_2026_10_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_state ATTACH PARTITION public.action_records_2026_10_state_id_idx;


--
-- Name: action_records_2026_10_target_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_target ATTACH PARTITION public.action_records_2026_10_target_id_idx;


--
-- Name: action_records_2026_10_undoes_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_undoes ATTACH PARTITION public.action_records_2026_10_undoes_id_idx;


--
-- Name: action_records_2026_10_workflow_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_workflow ATTACH PARTITION public.action_records_2026_10_workflow_id_idx;


--
-- Name: action_records_2026_11_action_type_id_state_dry_run_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type ATTACH PARTITION public.action_records_2026_11_action_type_id_state_dry_run_seq_idx;


--
-- Name: action_records_2026_11_action_type_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type_state ATTACH PARTITION public.action_records_2026_11_action_type_state_id_idx;


--
-- Name: action_records_2026_11_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_dry_run ATTACH PARTITION public.action_records_2026_11_id_idx;


--
-- Name: action_records_2026_11_image_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_image ATTACH PARTITION public.action_records_2026_11_image_id_idx;


--
-- Name: action_records_2026_11_namespace_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_namespace ATTACH PARTITION public.action_records_2026_11_namespace_id_idx;


--
-- Name: action_records_2026_11_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_pkey ATTACH PARTITION public.action_records_2026_11_pkey;


--
-- Name: action_records_2026_11_remediation_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_remediation ATTACH PARTITION public.action_records_2026_11_remediation_id_idx;


--
-- Name: action_records_2026_11_requester_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_requester ATTACH PARTITION public.action_records_2026_11_requester_id_idx;


--
-- Name: action_records_2026_11_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_seq ATTACH PARTITION public.action_records_2026_11_seq_idx;


--
-- Name: action_records_2026_11_signal_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_signal ATTACH PARTITION public.action_records_2026_11_signal_id_idx;


--
-- Name: action_records_2026_11_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_state ATTACH PARTITION public.action_records_2026_11_state_id_idx;


--
-- Name: action_records_2026_11_target_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_target ATTACH PARTITION public.action_records_2026_11_target_id_idx;


--
-- Name: action_records_2026_11_undoes_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_undoes ATTACH PARTITION public.action_records_2026_11_undoes_id_idx;


--
-- Name: action_records_2026_11_workflow_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_workflow ATTACH PARTITION public.action_records_2026_11_workflow_id_idx;


--
-- Name: action_records_2026_12_action_type_id_state_dry_run_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type ATTACH PARTITION public.action_records_2026_12_action_type_id_state_dry_run_seq_idx;


--
-- Name: action_records_2026_12_action_type_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type_state ATTACH PARTITION public.action_records_2026_12_action_type_state_id_idx;


--
-- Name: action_records_2026_12_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_dry_run ATTACH PARTITION public.action_records_2026_12_id_idx;


--
-- Name: action_records_2026_12_image_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_image ATTACH PARTITION public.action_records_2026_12_image_id_idx;


--
-- Name: action_records_2026_12_namespace_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_namespace ATTACH PARTITION public.action_records_2026_12_namespace_id_idx;


--
-- Name: action_records_2026_12_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_pkey ATTACH PARTITION public.action_records_2026_12_pkey;


--
-- Name: action_records_2026_12_remediation_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_remediation ATTACH PARTITION public.action_records_2026_12_remediation_id_idx;


--
-- Name: action_records_2026_12_requester_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_requester ATTACH PARTITION public.action_records_2026_12_requester_id_idx;


--
-- Name: action_records_2026_12_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_seq ATTACH PARTITION public.action_records_2026_12_seq_idx;


--
-- Name: action_records_2026_12_signal_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_signal ATTACH PARTITION public.action_records_2026_12_signal_id_idx;


--
-- Name: action_records_2026_12_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_state ATTACH PARTITION public.action_records_2026_12_state_id_idx;


--
-- Name: action_records_2026_12_target_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_target ATTACH PARTITION public.action_records_2026_12_target_id_idx;


--
-- Name: action_records_2026_12_undoes_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_undoes ATTACH PARTITION public.action_records_2026_12_undoes_id_idx;


--
-- Name: action_records_2026_12_workflow_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_workflow ATTACH PARTITION public.action_records_2026_12_workflow_id_idx;


--
-- Name: action_records_2027_01_action_type_id_state_dry_run_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type ATTACH PARTITION public.action_records_2027_01_action_type_id_state_dry_run_seq_idx;


--
-- Name: action_records_2027_01_action_type_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type_state ATTACH PARTITION public.action_records_2027_01_action_type_state_id_idx;


--
-- Name: action_records_2027_01_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_dry_run ATTACH PARTITION public.action_records_2027_01_id_idx;


--
-- Name: action_records_2027_01_image_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_image ATTACH PARTITION public.action_records_2027_01_image_id_idx;


--
-- Name: action_records_2027_01_namespace_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_namespace ATTACH PARTITION public.action_records_2027_01_namespace_id_idx;


--
-- Name: action_records_2027_01_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_pkey ATTACH PARTITION public.action_records_2027_01_pkey;


--
-- Name: action_records_2027_01_remediation_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_remediation ATTACH PARTITION public.action_records_2027_01_remediation_id_idx;


--
-- Name: action_records_2027_01_requester_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_requester ATTACH PARTITION public.action_records_2027_01_requester_id_idx;


--
-- Name: action_records_2027_01_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_seq ATTACH PARTITION public.action_records_2027_01_seq_idx;


--
-- Name: action_records_2027_01_signal_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_signal ATTACH PARTITION public.action_records_2027_01_signal_id_idx;


--
-- Name: action_records_2027_01_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_state ATTACH PARTITION public.action_records_2027_01_state_id_idx;


--
-- Name: action_records_2027_01_target_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_target ATTACH PARTITION public.action_records_2027_01_target_id_idx;


--
-- Name: action_records_2027_01_undoes_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_undoes ATTACH PARTITION public.action_records_2027_01_undoes_id_idx;


--
-- Name: action_records_2027_01_workflow_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_workflow ATTACH PARTITION public.action_records_2027_01_workflow_id_idx;


--
-- Name: action_records_2027_02_action_type_id_state_dry_run_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type ATTACH PARTITION public.action_records_2027_02_action_type_id_state_dry_run_seq_idx;


--
-- Name: action_records_2027_02_action_type_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_type_state ATTACH PARTITION public.action_records_2027_02_action_type_state_id_idx;


--
-- Name: action_records_2027_02_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_dry_run ATTACH PARTITION public.action_records_2027_02_id_idx;


--
-- Name: action_records_2027_02_image_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_image ATTACH PARTITION public.action_records_2027_02_image_id_idx;


--
-- Name: action_records_2027_02_namespace_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_namespace ATTACH PARTITION public.action_records_2027_02_namespace_id_idx;


--
-- Name: action_records_2027_02_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_pkey ATTACH PARTITION public.action_records_2027_02_pkey;


--
-- Name: action_records_2027_02_remediation_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_remediation ATTACH PARTITION public.action_records_2027_02_remediation_id_idx;


--
-- Name: action_records_2027_02_requester_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_requester ATTACH PARTITION public.action_records_2027_02_requester_id_idx;


--
-- Name: action_records_2027_02_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_seq ATTACH PARTITION public.action_records_2027_02_seq_idx;


--
-- Name: action_records_2027_02_signal_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_signal ATTACH PARTITION public.action_records_2027_02_signal_id_idx;


--
-- Name: action_records_2027_02_state_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_state ATTACH PARTITION public.action_records_2027_02_state_id_idx;


--
-- Name: action_records_2027_02_target_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_target ATTACH PARTITION public.action_records_2027_02_target_id_idx;


--
-- Name: action_records_2027_02_undoes_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_undoes ATTACH PARTITION public.action_records_2027_02_undoes_id_idx;


--
-- Name: action_records_2027_02_workflow_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.action_records_workflow ATTACH PARTITION public.action_records_2027_02_workflow_id_idx;


--
-- Name: commits_2026_08_first_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_first_seq ATTACH PARTITION public.commits_2026_08_first_seq_idx;


--
-- Name: commits_2026_08_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_pkey ATTACH PARTITION public.commits_2026_08_pkey;


--
-- Name: commits_2026_09_first_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_first_seq ATTACH PARTITION public.commits_2026_09_first_seq_idx;


--
-- Name: commits_2026_09_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_pkey ATTACH PARTITION public.commits_2026_09_pkey;


--
-- Name: commits_2026_10_first_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_first_seq ATTACH PARTITION public.commits_2026_10_first_seq_idx;


--
-- Name: commits_2026_10_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_pkey ATTACH PARTITION public.commits_2026_10_pkey;


--
-- Name: commits_2026_11_first_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_first_seq ATTACH PARTITION public.commits_2026_11_first_seq_idx;


--
-- Name: commits_2026_11_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_pkey ATTACH PARTITION public.commits_2026_11_pkey;


--
-- Name: commits_2026_12_first_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_first_seq ATTACH PARTITION public.commits_2026_12_first_seq_idx;


--
-- Name: commits_2026_12_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_pkey ATTACH PARTITION public.commits_2026_12_pkey;


--
-- Name: commits_2027_01_first_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_first_seq ATTACH PARTITION public.commits_2027_01_first_seq_idx;


--
-- Name: commits_2027_01_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_pkey ATTACH PARTITION public.commits_2027_01_pkey;


--
-- Name: commits_2027_02_first_seq_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_first_seq ATTACH PARTITION public.commits_2027_02_first_seq_idx;


--
-- Name: commits_2027_02_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.commits_pkey ATTACH PARTITION public.commits_2027_02_pkey;


--
-- PostgreSQL database dump complete
--


