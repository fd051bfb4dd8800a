CREATE FUNCTION public.pilotage_touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END$$;
CREATE TABLE public.alembic_version_arc (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alembic_version_core (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alembic_version_htcondor (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alembic_version_local (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alembic_version_sim (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alembic_version_slurm (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.arc_identities (
    ce character varying(128) NOT NULL,
    vo character varying(128) NOT NULL,
    owner text NOT NULL,
    used_at timestamp with time zone NOT NULL,
    delegation character varying(128),
    delegated_until timestamp with time zone
);
COMMENT ON TABLE public.arc_identities IS 'Under whose name the pilots of a VO were sent to a CE, and the proxy it holds of it.';
CREATE TABLE public.arc_jobs (
    ce character varying(128) NOT NULL,
    job character varying(128) NOT NULL,
    stamp character varying(32),
    owner text NOT NULL,
    running_at timestamp with time zone,
    started_at timestamp with time zone,
    ended_at timestamp with time zone
);
COMMENT ON TABLE public.arc_jobs IS 'What was learnt of the jobs at a CE; one without a stamp is not ours.';
CREATE TABLE public.breaker_changes (
    id bigint NOT NULL,
    ce_id bigint NOT NULL,
    was character varying(16) NOT NULL,
    became character varying(16) NOT NULL,
    reason text NOT NULL,
    by_hand boolean DEFAULT false NOT NULL,
    until timestamp with time zone,
    at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT ck_breaker_changes_became CHECK (((became)::text = ANY ((ARRAY['closed'::character varying, 'open'::character varying, 'held'::character varying])::text[]))),
    CONSTRAINT ck_breaker_changes_was CHECK (((was)::text = ANY ((ARRAY['closed'::character varying, 'open'::character varying, 'held'::character varying])::text[])))
);
COMMENT ON TABLE public.breaker_changes IS 'Every pause of a CE and every reopening, with its reason.';
CREATE SEQUENCE public.breaker_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.breaker_changes_id_seq OWNED BY public.breaker_changes.id;
CREATE TABLE public.ce_health (
    ce_id bigint NOT NULL,
    rates jsonb NOT NULL,
    learned_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    breaker character varying(16) DEFAULT 'closed'::character varying NOT NULL,
    breaker_reason text,
    breaker_since timestamp with time zone,
    failed_calls integer DEFAULT 0 NOT NULL,
    retry_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    held_until timestamp with time zone,
    CONSTRAINT ck_ce_health_breaker CHECK (((breaker)::text = ANY ((ARRAY['closed'::character varying, 'open'::character varying, 'held'::character varying])::text[]))),
    CONSTRAINT ck_ce_health_breaker_reason CHECK ((((breaker)::text = 'closed'::text) = (breaker_reason IS NULL))),
    CONSTRAINT ck_ce_health_failed_calls CHECK ((failed_calls >= 0))
);
COMMENT ON TABLE public.ce_health IS 'What was learnt of a CE, and whether it is paused.';
CREATE TABLE public.ce_vos (
    ce_id bigint NOT NULL,
    vo_id bigint NOT NULL
);
COMMENT ON TABLE public.ce_vos IS 'Which VOs may use a CE that is not open to all.';
CREATE TABLE public.ces (
    id bigint NOT NULL,
    name character varying(128) NOT NULL,
    backend character varying(128) NOT NULL,
    capacity integer NOT NULL,
    waiting_limit integer,
    success_rate double precision DEFAULT 1 NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    draining boolean DEFAULT false NOT NULL,
    open_to_all boolean DEFAULT true NOT NULL,
    tags text[] NOT NULL,
    options jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    drain_by timestamp with time zone,
    cancel_strangers boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_ces_capacity CHECK ((capacity >= 0)),
    CONSTRAINT ck_ces_success_rate CHECK (((success_rate >= (0)::double precision) AND (success_rate <= (1)::double precision))),
    CONSTRAINT ck_ces_waiting_limit CHECK ((waiting_limit >= 0))
);
COMMENT ON TABLE public.ces IS 'Places that run pilots. success_rate is the configured one.';
CREATE SEQUENCE public.ces_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.ces_id_seq OWNED BY public.ces.id;
CREATE TABLE public.credentials (
    id bigint NOT NULL,
    vo_id bigint,
    backend character varying(128) NOT NULL,
    kind character varying(16) NOT NULL,
    path text NOT NULL,
    renew text[],
    issued_at timestamp with time zone,
    expires_at timestamp with time zone,
    checked_at timestamp with time zone,
    problem text,
    renewed_at timestamp with time zone,
    retry_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT ck_credentials_failures CHECK ((failures >= 0)),
    CONSTRAINT ck_credentials_kind CHECK (((kind)::text = ANY ((ARRAY['proxy'::character varying, 'token'::character varying, 'key'::character varying])::text[])))
);
COMMENT ON TABLE public.credentials IS 'Where the credential of a VO for a kind of CE lies; without a VO it is for all.';
CREATE SEQUENCE public.credentials_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.credentials_id_seq OWNED BY public.credentials.id;
CREATE TABLE public.decisions (
    id bigint NOT NULL,
    vo_id bigint NOT NULL,
    ce_id bigint NOT NULL,
    at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    granted integer NOT NULL,
    reason text NOT NULL,
    trace jsonb NOT NULL,
    CONSTRAINT ck_decisions_granted CHECK ((granted >= 0))
);
COMMENT ON TABLE public.decisions IS 'Why a CE got this many pilots for a VO in one cycle, or none.';
CREATE SEQUENCE public.decisions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.decisions_id_seq OWNED BY public.decisions.id;
CREATE TABLE public.htcondor_marks (
    ce character varying(128) NOT NULL,
    job character varying(64),
    next_job character varying(64) NOT NULL,
    next_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE public.htcondor_marks IS 'The record at which reading a CE''s history backwards may stop, and the next such.';
CREATE TABLE public.leases (
    name character varying(192) NOT NULL,
    holder text,
    until timestamp with time zone,
    tokens double precision,
    filled_at timestamp with time zone
);
COMMENT ON TABLE public.leases IS 'Who may call a CE just now, and how many calls a rate limit still allows.';
CREATE TABLE public.local_hosts (
    ce character varying(128) NOT NULL,
    folder_id character varying(32) NOT NULL,
    host character varying(255) NOT NULL,
    folder text NOT NULL,
    claimed_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
COMMENT ON TABLE public.local_hosts IS 'Where the processes of a CE are. Asked elsewhere, nobody knows anything of them.';
CREATE TABLE public.maintenances (
    id bigint NOT NULL,
    ce_id bigint NOT NULL,
    begins_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    CONSTRAINT ck_maintenances_order CHECK ((begins_at < ends_at))
);
COMMENT ON TABLE public.maintenances IS 'When a CE is known to be away.';
CREATE SEQUENCE public.maintenances_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.maintenances_id_seq OWNED BY public.maintenances.id;
CREATE TABLE public.outputs (
    pilot_id bigint NOT NULL,
    text text NOT NULL,
    kept_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
COMMENT ON TABLE public.outputs IS 'The end of what some failed pilots wrote, kept as long as the pilots are.';
CREATE TABLE public.pilots (
    id bigint NOT NULL,
    stamp character varying(32) NOT NULL,
    vo_id bigint NOT NULL,
    ce_id bigint NOT NULL,
    status character varying(16) NOT NULL,
    cause character varying(16),
    handle text,
    raw text,
    reason text,
    exit_code integer,
    attempts integer DEFAULT 0 NOT NULL,
    misses integer DEFAULT 0 NOT NULL,
    requeues integer DEFAULT 0 NOT NULL,
    reserved_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    claimed_at timestamp with time zone,
    submitted_at timestamp with time zone,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    checked_at timestamp with time zone,
    missing_since timestamp with time zone,
    next_check_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT ck_pilots_cause CHECK (((cause)::text = ANY ((ARRAY['refused'::character varying, 'quota'::character varying, 'credential'::character varying, 'never_started'::character varying, 'failed_fast'::character varying, 'failed_late'::character varying, 'exit_code'::character varying, 'signal'::character varying, 'out_of_memory'::character varying, 'walltime'::character varying, 'preempted'::character varying, 'node'::character varying, 'held'::character varying, 'removed'::character varying, 'unknown'::character varying])::text[]))),
    CONSTRAINT ck_pilots_cause_of_failure CHECK ((((status)::text = 'failed'::text) = (cause IS NOT NULL))),
    CONSTRAINT ck_pilots_counts CHECK (((attempts >= 0) AND (misses >= 0) AND (requeues >= 0))),
    CONSTRAINT ck_pilots_ended CHECK ((((status)::text = ANY ((ARRAY['done'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'lost'::character varying])::text[])) = (ended_at IS NOT NULL))),
    CONSTRAINT ck_pilots_stamp CHECK (((length((stamp)::text) = 32) AND (lower((stamp)::text) = (stamp)::text))),
    CONSTRAINT ck_pilots_status CHECK (((status)::text = ANY ((ARRAY['reserved'::character varying, 'submitting'::character varying, 'submitted'::character varying, 'running'::character varying, 'done'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'lost'::character varying])::text[])))
);
COMMENT ON TABLE public.pilots IS 'One row, one job on one CE for one VO.';
CREATE SEQUENCE public.pilots_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.pilots_id_seq OWNED BY public.pilots.id;
CREATE TABLE public.reports (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    summary jsonb NOT NULL
);
COMMENT ON TABLE public.reports IS 'The summaries that the task report stored.';
CREATE SEQUENCE public.reports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.reports_id_seq OWNED BY public.reports.id;
CREATE TABLE public.schedules (
    id bigint NOT NULL,
    task character varying(128) NOT NULL,
    vo_id bigint,
    every double precision,
    cron character varying(128),
    enabled boolean DEFAULT true NOT NULL,
    next_at timestamp with time zone,
    last_at timestamp with time zone,
    last_outcome character varying(16),
    last_seconds double precision,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT ck_schedules_every CHECK ((every > (0)::double precision)),
    CONSTRAINT ck_schedules_every_or_cron CHECK (((every IS NULL) <> (cron IS NULL))),
    CONSTRAINT ck_schedules_last_outcome CHECK (((last_outcome)::text = ANY ((ARRAY['ok'::character varying, 'failed'::character varying, 'skipped'::character varying])::text[])))
);
COMMENT ON TABLE public.schedules IS 'When each periodic task fires; a row with a VO stands before the one without.';
CREATE SEQUENCE public.schedules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.schedules_id_seq OWNED BY public.schedules.id;
CREATE TABLE public.sim_faults (
    ce character varying(128) NOT NULL,
    fault character varying(32) NOT NULL,
    rate double precision DEFAULT 1 NOT NULL,
    settings jsonb NOT NULL,
    since timestamp with time zone,
    until timestamp with time zone,
    CONSTRAINT ck_sim_faults_rate CHECK (((rate >= (0)::double precision) AND (rate <= (1)::double precision)))
);
COMMENT ON TABLE public.sim_faults IS 'What is wrong with a simulated CE, and for how long.';
CREATE TABLE public.sim_jobs (
    id bigint NOT NULL,
    ce character varying(128) NOT NULL,
    stamp character varying(32) NOT NULL,
    vo character varying(128) NOT NULL,
    accepted_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    visible_at timestamp with time zone NOT NULL,
    starts_at timestamp with time zone,
    stopped_at timestamp with time zone,
    restarts_at timestamp with time zone,
    ends_at timestamp with time zone,
    fate character varying(16) NOT NULL,
    exit_code integer,
    forgotten_at timestamp with time zone
);
COMMENT ON TABLE public.sim_jobs IS 'Every job that a simulated CE accepted, and its life as it was decided.';
CREATE SEQUENCE public.sim_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.sim_jobs_id_seq OWNED BY public.sim_jobs.id;
CREATE TABLE public.slurm_cancellations (
    ce character varying(128) NOT NULL,
    stamp character varying(32) NOT NULL,
    asked_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE public.slurm_cancellations IS 'The pilots that a cluster was asked to cancel; of some it keeps no record itself.';
CREATE TABLE public.slurm_clusters (
    ce character varying(128) NOT NULL,
    history_from timestamp with time zone,
    history_next timestamp with time zone,
    history_uses integer DEFAULT 0 NOT NULL,
    listed_at timestamp with time zone,
    tidied_at timestamp with time zone
);
COMMENT ON TABLE public.slurm_clusters IS 'When each cluster was listed and tidied, and how far back its history is listed.';
CREATE TABLE public.transitions (
    id bigint NOT NULL,
    pilot_id bigint NOT NULL,
    was character varying(16),
    became character varying(16) NOT NULL,
    cause character varying(16),
    raw text,
    reason text,
    at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    learned_at timestamp with time zone,
    CONSTRAINT ck_transitions_became CHECK (((became)::text = ANY ((ARRAY['reserved'::character varying, 'submitting'::character varying, 'submitted'::character varying, 'running'::character varying, 'done'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'lost'::character varying])::text[]))),
    CONSTRAINT ck_transitions_cause CHECK (((cause)::text = ANY ((ARRAY['refused'::character varying, 'quota'::character varying, 'credential'::character varying, 'never_started'::character varying, 'failed_fast'::character varying, 'failed_late'::character varying, 'exit_code'::character varying, 'signal'::character varying, 'out_of_memory'::character varying, 'walltime'::character varying, 'preempted'::character varying, 'node'::character varying, 'held'::character varying, 'removed'::character varying, 'unknown'::character varying])::text[]))),
    CONSTRAINT ck_transitions_was CHECK (((was)::text = ANY ((ARRAY['reserved'::character varying, 'submitting'::character varying, 'submitted'::character varying, 'running'::character varying, 'done'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'lost'::character varying])::text[])))
);
COMMENT ON TABLE public.transitions IS 'The history of each pilot. The first has no ''was''.';
CREATE SEQUENCE public.transitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.transitions_id_seq OWNED BY public.transitions.id;
CREATE TABLE public.vo_demands (
    vo_id bigint NOT NULL,
    demand integer,
    asked_at timestamp with time zone,
    answered_at timestamp with time zone,
    problem text,
    surplus_since timestamp with time zone,
    CONSTRAINT ck_vo_demands_demand CHECK ((demand >= 0))
);
COMMENT ON TABLE public.vo_demands IS 'What the source of a VO''s demand answered last, and what went wrong since.';
CREATE TABLE public.vos (
    id bigint NOT NULL,
    name character varying(128) NOT NULL,
    share double precision DEFAULT 1 NOT NULL,
    "limit" integer,
    demand integer,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    draining boolean DEFAULT false NOT NULL,
    budget integer,
    cancel_surplus boolean DEFAULT false NOT NULL,
    source jsonb,
    payload jsonb,
    CONSTRAINT ck_vos_budget CHECK ((budget >= 0)),
    CONSTRAINT ck_vos_demand CHECK ((demand >= 0)),
    CONSTRAINT ck_vos_limit CHECK (("limit" >= 0)),
    CONSTRAINT ck_vos_share CHECK ((share >= (0)::double precision))
);
COMMENT ON TABLE public.vos IS 'Owners of pilots. A limit or demand of NULL is unlimited.';
CREATE SEQUENCE public.vos_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.vos_id_seq OWNED BY public.vos.id;
ALTER TABLE ONLY public.breaker_changes ALTER COLUMN id SET DEFAULT nextval('public.breaker_changes_id_seq'::regclass);
ALTER TABLE ONLY public.ces ALTER COLUMN id SET DEFAULT nextval('public.ces_id_seq'::regclass);
ALTER TABLE ONLY public.credentials ALTER COLUMN id SET DEFAULT nextval('public.credentials_id_seq'::regclass);
ALTER TABLE ONLY public.decisions ALTER COLUMN id SET DEFAULT nextval('public.decisions_id_seq'::regclass);
ALTER TABLE ONLY public.maintenances ALTER COLUMN id SET DEFAULT nextval('public.maintenances_id_seq'::regclass);
ALTER TABLE ONLY public.pilots ALTER COLUMN id SET DEFAULT nextval('public.pilots_id_seq'::regclass);
ALTER TABLE ONLY public.reports ALTER COLUMN id SET DEFAULT nextval('public.reports_id_seq'::regclass);
ALTER TABLE ONLY public.schedules ALTER COLUMN id SET DEFAULT nextval('public.schedules_id_seq'::regclass);
ALTER TABLE ONLY public.sim_jobs ALTER COLUMN id SET DEFAULT nextval('public.sim_jobs_id_seq'::regclass);
ALTER TABLE ONLY public.transitions ALTER COLUMN id SET DEFAULT nextval('public.transitions_id_seq'::regclass);
ALTER TABLE ONLY public.vos ALTER COLUMN id SET DEFAULT nextval('public.vos_id_seq'::regclass);
INSERT INTO public.alembic_version_arc VALUES ('0001');
INSERT INTO public.alembic_version_core VALUES ('0003');
INSERT INTO public.alembic_version_htcondor VALUES ('0001');
INSERT INTO public.alembic_version_local VALUES ('0001');
INSERT INTO public.alembic_version_sim VALUES ('0001');
INSERT INTO public.alembic_version_slurm VALUES ('0002');
INSERT INTO public.arc_identities VALUES ('nikhef', 'lhcb', '/DC=org/CN=pilot', '2026-03-01 12:00:00+00', 'd1', '2026-03-01 22:00:00+00');
INSERT INTO public.arc_jobs VALUES ('nikhef', 'abc123', 'efefefefefefefefefefefefefefefef', '/DC=org/CN=pilot', NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.breaker_changes VALUES (1, 2, 'closed', 'open', '12 starts failed in a row', false, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.breaker_changes VALUES (2, 3, 'closed', 'held', 'new disks', true, '2026-03-01 22:00:00+00', '2026-03-01 12:00:00+00');
INSERT INTO public.breaker_changes VALUES (3, 1, 'open', 'closed', 'a probe ended well', false, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.ce_health VALUES (5, '{}', '2026-11-26 00:28:44.749204+00', 'closed', NULL, NULL, 0, NULL, '2026-11-26 00:28:44.749204+00', NULL);
INSERT INTO public.ce_health VALUES (1, '{"queue": {"drained": 3, "oldest_waiting_since": 1772366400.0}, "success_rate": 0.83}', '2026-11-26 00:28:44.749204+00', 'closed', NULL, NULL, 0, NULL, '2026-11-26 00:28:45.486165+00', NULL);
INSERT INTO public.ce_health VALUES (2, '{}', '2026-11-26 00:28:44.749204+00', 'open', '12 starts failed in a row', '2026-03-01 12:00:00+00', 0, NULL, '2026-11-26 00:28:45.49007+00', NULL);
INSERT INTO public.ce_health VALUES (3, '{}', '2026-11-26 00:28:44.749204+00', 'held', 'new disks', '2026-03-01 12:00:00+00', 0, NULL, '2026-11-26 00:28:45.500177+00', '2026-03-01 22:00:00+00');
INSERT INTO public.ce_health VALUES (4, '{}', '2026-11-26 00:28:44.749204+00', 'closed', NULL, NULL, 1, '2026-03-01 12:01:00+00', '2026-11-26 00:28:45.50404+00', NULL);
INSERT INTO public.ce_vos VALUES (2, 2);
INSERT INTO public.ce_vos VALUES (2, 3);
INSERT INTO public.ces VALUES (1, 'lyon', 'sim', 30, NULL, 1, true, false, true, '{tier1,gpu}', '{}', '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:44.749204+00', NULL, false);
INSERT INTO public.ces VALUES (2, 'bari', 'slurm', 20, 10, 1, true, false, false, '{}', '{"partition": "main"}', '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:44.781642+00', NULL, false);
INSERT INTO public.ces VALUES (3, 'nikhef', 'arc', 10, NULL, 1, true, false, true, '{}', '{"url": "https://arc.example.org:443/arex"}', '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:44.749204+00', NULL, false);
INSERT INTO public.ces VALUES (4, 'kit', 'htcondor', 10, NULL, 0.9, true, true, true, '{}', '{}', '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:45.457271+00', NULL, false);
INSERT INTO public.ces VALUES (5, 'here', 'local', 8, NULL, 1, false, false, true, '{}', '{}', '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:45.45829+00', NULL, false);
INSERT INTO public.credentials VALUES (1, 2, 'arc', 'proxy', '/etc/pilotage/lhcb.pem', '{renew-proxy,lhcb}', '2026-03-01 12:00:00+00', '2026-03-02 00:00:00+00', '2026-03-01 12:00:00+00', NULL, NULL, NULL, 0, '2026-11-26 00:28:45.456787+00', '2026-11-26 00:28:45.456787+00');
INSERT INTO public.credentials VALUES (2, NULL, 'slurm', 'key', '/etc/pilotage/hpc', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, '2026-11-26 00:28:45.456787+00', '2026-11-26 00:28:45.456787+00');
INSERT INTO public.decisions VALUES (1, 2, 1, '2026-03-01 12:00:00+00', 0, 'free 3; gets all that is free', '{"free": 3, "chances": {"start": 0.9, "accept": 1.0, "finish": 0.8}}');
INSERT INTO public.decisions VALUES (2, 2, 2, '2026-03-01 12:00:00+00', 0, 'free 3; gets all that is free', '{"free": 3, "chances": {"start": 0.9, "accept": 1.0, "finish": 0.8}}');
INSERT INTO public.decisions VALUES (3, 2, 1, '2026-03-01 12:01:00+00', 1, 'free 3; gets all that is free', '{"free": 3, "chances": {"start": 0.9, "accept": 1.0, "finish": 0.8}}');
INSERT INTO public.decisions VALUES (4, 2, 2, '2026-03-01 12:01:00+00', 1, 'free 3; gets all that is free', '{"free": 3, "chances": {"start": 0.9, "accept": 1.0, "finish": 0.8}}');
INSERT INTO public.decisions VALUES (5, 2, 1, '2026-03-01 12:02:00+00', 2, 'free 3; gets all that is free', '{"free": 3, "chances": {"start": 0.9, "accept": 1.0, "finish": 0.8}}');
INSERT INTO public.decisions VALUES (6, 2, 2, '2026-03-01 12:02:00+00', 2, 'free 3; gets all that is free', '{"free": 3, "chances": {"start": 0.9, "accept": 1.0, "finish": 0.8}}');
INSERT INTO public.htcondor_marks VALUES ('kit', '12.0', '13.0', '2026-03-01 12:00:00+00');
INSERT INTO public.leases VALUES ('ce:lyon', NULL, NULL, NULL, NULL);
INSERT INTO public.leases VALUES ('calls:lyon', NULL, NULL, 9, '2026-03-01 12:00:00+00');
INSERT INTO public.local_hosts VALUES ('here', '01010101010101010101010101010101', 'node1.example.org', '/var/lib/pilotage/local/here', '2026-11-26 00:28:45.456787+00');
INSERT INTO public.maintenances VALUES (1, 1, '2026-03-01 12:00:00+00', '2026-03-01 13:00:00+00', 'cooling');
INSERT INTO public.outputs VALUES (36, 'line one
error: no space left
', '2026-03-01 12:09:00+00');
INSERT INTO public.outputs VALUES (37, 'killed', '2026-03-01 12:09:00+00');
INSERT INTO public.pilots VALUES (1, '70d0691a9bd1ea021ac5469600000000', 2, 1, 'reserved', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.pilots VALUES (2, 'c4592d0ad78ad3c0a2a9516e00000000', 3, 1, 'reserved', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.pilots VALUES (3, '06c63c3f54ed181110c175e900000000', 2, 2, 'reserved', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.pilots VALUES (4, '218a5f36ec8ab6b9ce5055a200000000', 3, 2, 'reserved', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.pilots VALUES (5, '02b22395d1037984394829a800000000', 2, 3, 'reserved', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.pilots VALUES (6, '3cef15f4c153215e8576552200000000', 2, 4, 'reserved', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.pilots VALUES (7, '309b48a1e8aa894f7b7689b800000000', 2, 5, 'reserved', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00+00');
INSERT INTO public.pilots VALUES (8, '92835aa89b5e5407224c49a400000000', 2, 1, 'submitting', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:01:00+00', '2026-03-01 12:01:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.903248+00');
INSERT INTO public.pilots VALUES (9, '4cd0d11e9765a4c8f4b3e73900000000', 3, 1, 'submitting', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:01:00+00', '2026-03-01 12:01:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.913847+00');
INSERT INTO public.pilots VALUES (10, '55133404801c9251f3ae32cf00000000', 2, 2, 'submitting', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:01:00+00', '2026-03-01 12:01:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.925363+00');
INSERT INTO public.pilots VALUES (11, 'cddb7e27b5ec5e493d38d49100000000', 3, 2, 'submitting', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:01:00+00', '2026-03-01 12:01:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.936925+00');
INSERT INTO public.pilots VALUES (12, '18136ad2ad8f580f886fb7ac00000000', 2, 3, 'submitting', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:01:00+00', '2026-03-01 12:01:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.945975+00');
INSERT INTO public.pilots VALUES (13, '9c24332fd0104bac0ce5ebdd00000000', 2, 4, 'submitting', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:01:00+00', '2026-03-01 12:01:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.956229+00');
INSERT INTO public.pilots VALUES (14, '8f8ddf642eefe2826a1cefd400000000', 2, 5, 'submitting', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:01:00+00', '2026-03-01 12:01:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.96456+00');
INSERT INTO public.pilots VALUES (15, '70e7b741c8ded5b2b1bec1ea00000000', 2, 1, 'submitted', NULL, '1015_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL, '2026-03-01 12:02:00+00');
INSERT INTO public.pilots VALUES (16, 'd110992835a2d64eb877c26900000000', 3, 1, 'submitted', NULL, '1016_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL, '2026-03-01 12:02:00+00');
INSERT INTO public.pilots VALUES (17, '38dd73b33ca775c5cb2d391300000000', 2, 2, 'submitted', NULL, '1017_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL, '2026-03-01 12:02:00+00');
INSERT INTO public.pilots VALUES (18, 'c9cf11d6f3d53aae852887f000000000', 3, 2, 'submitted', NULL, '1018_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL, '2026-03-01 12:02:00+00');
INSERT INTO public.pilots VALUES (19, '0aabb63f7ff727dfb6ce6ce100000000', 2, 3, 'submitted', NULL, '1019_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL, '2026-03-01 12:02:00+00');
INSERT INTO public.pilots VALUES (20, '4ad57afd7cfb363d72fdf28800000000', 2, 4, 'submitted', NULL, '1020_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL, '2026-03-01 12:02:00+00');
INSERT INTO public.pilots VALUES (21, '0957465c5960406b54ca652d00000000', 2, 5, 'submitted', NULL, '1021_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', '2026-03-01 12:02:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL, '2026-03-01 12:02:00+00');
INSERT INTO public.pilots VALUES (23, '1caddb72ab10eb34e380014100000000', 3, 1, 'running', NULL, '1023_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL, '2026-11-26 00:28:45.060409+00');
INSERT INTO public.pilots VALUES (24, '27fea0394f1b9138e23539eb00000000', 2, 2, 'running', NULL, '1024_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL, '2026-11-26 00:28:45.072801+00');
INSERT INTO public.pilots VALUES (25, 'c5ae62820985c24fc6702ea000000000', 3, 2, 'running', NULL, '1025_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL, '2026-11-26 00:28:45.08404+00');
INSERT INTO public.pilots VALUES (26, '71e915b679a6c5ae495665b100000000', 2, 3, 'running', NULL, '1026_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL, '2026-11-26 00:28:45.096148+00');
INSERT INTO public.pilots VALUES (27, '2dde66bb2cc17b61e7c05bc100000000', 2, 4, 'running', NULL, '1027_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL, '2026-11-26 00:28:45.107004+00');
INSERT INTO public.pilots VALUES (28, 'e0815f4892fd947f0679300900000000', 2, 5, 'running', NULL, '1028_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL, '2026-11-26 00:28:45.118925+00');
INSERT INTO public.pilots VALUES (29, '39b837b80e64070dc321c65300000000', 2, 1, 'done', NULL, '1029_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:04:00+00');
INSERT INTO public.pilots VALUES (30, 'cbdc811278fe037cc530144a00000000', 3, 1, 'done', NULL, '1030_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:04:00+00');
INSERT INTO public.pilots VALUES (31, 'f02f82a9849ccb9f1112f9ee00000000', 2, 2, 'done', NULL, '1031_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:04:00+00');
INSERT INTO public.pilots VALUES (32, '0568269e0f1df801236254e900000000', 3, 2, 'done', NULL, '1032_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:04:00+00');
INSERT INTO public.pilots VALUES (33, '04ea24436224dde6975c36eb00000000', 2, 3, 'done', NULL, '1033_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:04:00+00');
INSERT INTO public.pilots VALUES (34, '5c8ea1eb38ae1d36a97fecfa00000000', 2, 4, 'done', NULL, '1034_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:04:00+00');
INSERT INTO public.pilots VALUES (35, '422a7031a0bf6635b5eed1b200000000', 2, 5, 'done', NULL, '1035_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', '2026-03-01 12:04:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:04:00+00');
INSERT INTO public.pilots VALUES (36, '6a556c355c20db13cb8634c100000000', 2, 1, 'failed', 'failed_late', '1036_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:05:00+00');
INSERT INTO public.pilots VALUES (37, '13c5639bfe8d2d0f8e28e0e100000000', 3, 1, 'failed', 'exit_code', '1037_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:05:00+00');
INSERT INTO public.pilots VALUES (38, 'f28d0c6777beef3d148732c100000000', 2, 2, 'failed', 'signal', '1038_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:05:00+00');
INSERT INTO public.pilots VALUES (39, '2a7da4b8ed90ce920fba134e00000000', 3, 2, 'failed', 'out_of_memory', '1039_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:05:00+00');
INSERT INTO public.pilots VALUES (40, '952f807aa65f423bc32adb3300000000', 2, 3, 'failed', 'walltime', '1040_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:05:00+00');
INSERT INTO public.pilots VALUES (41, '389c1f666f55f19a291e258a00000000', 2, 4, 'failed', 'preempted', '1041_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:05:00+00');
INSERT INTO public.pilots VALUES (42, '4798803c1159a9e49d8d407700000000', 2, 5, 'failed', 'node', '1042_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', '2026-03-01 12:05:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:05:00+00');
INSERT INTO public.pilots VALUES (43, '965f4d3d45c89fbe12adad0d00000000', 2, 1, 'cancelled', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:06:00+00', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.341306+00');
INSERT INTO public.pilots VALUES (44, 'bbb6fa60de528312edc8647100000000', 3, 1, 'cancelled', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:06:00+00', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.347842+00');
INSERT INTO public.pilots VALUES (45, '34ab9ebec58abb72230dbe0800000000', 2, 2, 'cancelled', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:06:00+00', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.354766+00');
INSERT INTO public.pilots VALUES (46, 'f021d58b49bec9887c4ee7bd00000000', 3, 2, 'cancelled', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:06:00+00', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.36135+00');
INSERT INTO public.pilots VALUES (47, '631254ef79d04ba239e644e800000000', 2, 3, 'cancelled', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:06:00+00', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.368523+00');
INSERT INTO public.pilots VALUES (48, '8c295e8635c8ae59da15f2ba00000000', 2, 4, 'cancelled', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:06:00+00', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.376036+00');
INSERT INTO public.pilots VALUES (49, '680675470c8194f466ba632900000000', 2, 5, 'cancelled', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:06:00+00', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.383012+00');
INSERT INTO public.pilots VALUES (50, '8bd2af1e6c1054640487b19a00000000', 2, 1, 'lost', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:07:00+00', '2026-03-01 12:07:00+00', NULL, NULL, '2026-03-01 12:07:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:07:00+00');
INSERT INTO public.pilots VALUES (51, 'd354806d7d5c0779fd555b6500000000', 3, 1, 'lost', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:07:00+00', '2026-03-01 12:07:00+00', NULL, NULL, '2026-03-01 12:07:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:07:00+00');
INSERT INTO public.pilots VALUES (52, 'fb3a7f321300076f4a2cd19a00000000', 2, 2, 'lost', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:07:00+00', '2026-03-01 12:07:00+00', NULL, NULL, '2026-03-01 12:07:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:07:00+00');
INSERT INTO public.pilots VALUES (53, 'be15b6ea324bd2f26bebd52e00000000', 3, 2, 'lost', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:07:00+00', '2026-03-01 12:07:00+00', NULL, NULL, '2026-03-01 12:07:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:07:00+00');
INSERT INTO public.pilots VALUES (54, 'ad6d93442f7914fc1b8febc700000000', 2, 3, 'lost', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:07:00+00', '2026-03-01 12:07:00+00', NULL, NULL, '2026-03-01 12:07:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:07:00+00');
INSERT INTO public.pilots VALUES (55, '027d65a99b86121255de43f400000000', 2, 4, 'lost', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:07:00+00', '2026-03-01 12:07:00+00', NULL, NULL, '2026-03-01 12:07:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:07:00+00');
INSERT INTO public.pilots VALUES (56, 'c618a435d610f4a2d5c96b0d00000000', 2, 5, 'lost', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:07:00+00', '2026-03-01 12:07:00+00', NULL, NULL, '2026-03-01 12:07:00+00', NULL, NULL, NULL, NULL, '2026-03-01 12:07:00+00');
INSERT INTO public.pilots VALUES (22, 'c3c06663c05ac2d56f8ebfec00000000', 2, 1, 'running', NULL, '1022_1', NULL, NULL, NULL, 0, 0, 0, '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', '2026-03-01 12:03:00+00', NULL, NULL, NULL, '2026-03-01 12:03:00+00', '2026-03-01 12:09:00+00', '2026-03-01 12:09:00+00');
INSERT INTO public.reports VALUES (1, '2026-03-01 12:00:00+00', '{"pilots": {"done": 7}}');
INSERT INTO public.schedules VALUES (1, 'ask_demand', NULL, 60, NULL, true, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (3, 'dispatch', NULL, 60, NULL, true, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (5, 'reconcile', NULL, 120, NULL, true, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (6, 'learn', NULL, 60, NULL, true, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (7, 'sweep', NULL, 60, NULL, true, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (8, 'renew_credentials', NULL, 60, NULL, true, NULL, NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (9, 'report', NULL, NULL, '0 * * * *', true, '2026-03-01 13:00:00+00', NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (10, 'prune', NULL, NULL, '30 3 * * *', true, '2026-03-02 03:30:00+00', NULL, NULL, NULL, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:44.72762+00');
INSERT INTO public.schedules VALUES (2, 'submit_pilots', NULL, 60, NULL, true, NULL, NULL, 'ok', 0.12, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:45.519465+00');
INSERT INTO public.schedules VALUES (4, 'check_pilots', NULL, 30, NULL, true, NULL, NULL, 'failed', 10.1, '2026-11-26 00:28:44.72762+00', '2026-11-26 00:28:45.520583+00');
INSERT INTO public.schedules VALUES (11, 'submit_pilots', 2, 30, NULL, true, NULL, NULL, NULL, NULL, '2026-11-26 00:28:45.456787+00', '2026-11-26 00:28:45.456787+00');
INSERT INTO public.sim_faults VALUES ('lyon', 'slow', 0.5, '{"seconds": 3}', '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.sim_jobs VALUES (1, 'lyon', 'abababababababababababababababab', 'lhcb', '2026-11-26 00:28:45.456787+00', '2026-03-01 12:00:00+00', '2026-03-01 12:00:00+00', NULL, NULL, '2026-03-01 12:05:00+00', 'done', 0, NULL);
INSERT INTO public.slurm_cancellations VALUES ('bari', 'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', '2026-03-01 12:00:00+00');
INSERT INTO public.slurm_clusters VALUES ('bari', NULL, NULL, 2, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (1, 1, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (2, 2, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (3, 3, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (4, 4, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (5, 5, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (6, 6, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (7, 7, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:00:00+00', NULL);
INSERT INTO public.transitions VALUES (8, 8, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (9, 8, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (10, 9, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (11, 9, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (12, 10, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (13, 10, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (14, 11, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (15, 11, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (16, 12, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (17, 12, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (18, 13, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (19, 13, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (20, 14, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (21, 14, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:01:00+00', NULL);
INSERT INTO public.transitions VALUES (22, 15, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (23, 15, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (24, 15, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (25, 16, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (26, 16, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (27, 16, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (28, 17, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (29, 17, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (30, 17, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (31, 18, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (32, 18, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (33, 18, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (34, 19, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (35, 19, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (36, 19, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (37, 20, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (38, 20, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (39, 20, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (40, 21, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (41, 21, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (42, 21, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:02:00+00', NULL);
INSERT INTO public.transitions VALUES (43, 22, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (44, 22, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (45, 22, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (46, 22, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (47, 23, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (48, 23, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (49, 23, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (50, 23, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (51, 24, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (52, 24, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (53, 24, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (54, 24, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (55, 25, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (56, 25, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (57, 25, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (58, 25, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (59, 26, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (60, 26, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (61, 26, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (62, 26, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (63, 27, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (64, 27, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (65, 27, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (66, 27, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (67, 28, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (68, 28, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (69, 28, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (70, 28, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:03:00+00', NULL);
INSERT INTO public.transitions VALUES (71, 29, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (72, 29, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (73, 29, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (74, 29, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (75, 29, 'running', 'done', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (76, 30, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (77, 30, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (78, 30, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (79, 30, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (80, 30, 'running', 'done', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (81, 31, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (82, 31, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (83, 31, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (84, 31, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (85, 31, 'running', 'done', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (86, 32, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (87, 32, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (88, 32, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (89, 32, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (90, 32, 'running', 'done', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (91, 33, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (92, 33, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (93, 33, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (94, 33, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (95, 33, 'running', 'done', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (96, 34, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (97, 34, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (98, 34, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (99, 34, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (100, 34, 'running', 'done', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (101, 35, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (102, 35, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (103, 35, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (104, 35, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (105, 35, 'running', 'done', NULL, NULL, NULL, '2026-03-01 12:04:00+00', NULL);
INSERT INTO public.transitions VALUES (106, 36, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (107, 36, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (108, 36, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (109, 36, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (110, 36, 'running', 'failed', 'failed_late', NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (111, 37, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (112, 37, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (113, 37, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (114, 37, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (115, 37, 'running', 'failed', 'exit_code', NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (116, 38, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (117, 38, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (118, 38, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (119, 38, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (120, 38, 'running', 'failed', 'signal', NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (121, 39, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (122, 39, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (123, 39, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (124, 39, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (125, 39, 'running', 'failed', 'out_of_memory', NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (126, 40, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (127, 40, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (128, 40, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (129, 40, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (130, 40, 'running', 'failed', 'walltime', NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (131, 41, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (132, 41, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (133, 41, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (134, 41, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (135, 41, 'running', 'failed', 'preempted', NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (136, 42, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (137, 42, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (138, 42, 'submitting', 'submitted', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (139, 42, 'submitted', 'running', NULL, NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (140, 42, 'running', 'failed', 'node', NULL, NULL, '2026-03-01 12:05:00+00', NULL);
INSERT INTO public.transitions VALUES (141, 43, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (142, 43, 'reserved', 'cancelled', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (143, 44, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (144, 44, 'reserved', 'cancelled', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (145, 45, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (146, 45, 'reserved', 'cancelled', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (147, 46, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (148, 46, 'reserved', 'cancelled', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (149, 47, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (150, 47, 'reserved', 'cancelled', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (151, 48, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (152, 48, 'reserved', 'cancelled', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (153, 49, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (154, 49, 'reserved', 'cancelled', NULL, NULL, NULL, '2026-03-01 12:06:00+00', NULL);
INSERT INTO public.transitions VALUES (155, 50, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (156, 50, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (157, 50, 'submitting', 'lost', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (158, 51, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (159, 51, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (160, 51, 'submitting', 'lost', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (161, 52, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (162, 52, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (163, 52, 'submitting', 'lost', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (164, 53, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (165, 53, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (166, 53, 'submitting', 'lost', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (167, 54, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (168, 54, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (169, 54, 'submitting', 'lost', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (170, 55, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (171, 55, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (172, 55, 'submitting', 'lost', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (173, 56, NULL, 'reserved', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (174, 56, 'reserved', 'submitting', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.transitions VALUES (175, 56, 'submitting', 'lost', NULL, NULL, NULL, '2026-03-01 12:07:00+00', NULL);
INSERT INTO public.vo_demands VALUES (2, 12, '2026-03-01 12:00:00+00', '2026-03-01 12:00:00+00', NULL, NULL);
INSERT INTO public.vos VALUES (1, 'default', 1, NULL, NULL, true, '2026-11-26 00:28:42.112202+00', '2026-11-26 00:28:42.112202+00', false, NULL, false, NULL, NULL);
INSERT INTO public.vos VALUES (3, 'belle2', 1, NULL, 10, true, '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:44.749204+00', false, NULL, false, NULL, NULL);
INSERT INTO public.vos VALUES (4, 'old', 1, NULL, NULL, false, '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:44.749204+00', false, NULL, false, NULL, NULL);
INSERT INTO public.vos VALUES (2, 'lhcb', 2, 40, NULL, true, '2026-11-26 00:28:44.749204+00', '2026-11-26 00:28:45.542183+00', false, NULL, false, '{"url": "https://wms.example.org/idle", "kind": "http", "path": "idle"}', '{"script": "#!/bin/sh\nexec pilot\n"}');
SELECT pg_catalog.setval('public.breaker_changes_id_seq', 3, true);
SELECT pg_catalog.setval('public.ces_id_seq', 5, true);
SELECT pg_catalog.setval('public.credentials_id_seq', 2, true);
SELECT pg_catalog.setval('public.decisions_id_seq', 6, true);
SELECT pg_catalog.setval('public.maintenances_id_seq', 1, true);
SELECT pg_catalog.setval('public.pilots_id_seq', 56, true);
SELECT pg_catalog.setval('public.reports_id_seq', 1, true);
SELECT pg_catalog.setval('public.schedules_id_seq', 11, true);
SELECT pg_catalog.setval('public.sim_jobs_id_seq', 1, true);
SELECT pg_catalog.setval('public.transitions_id_seq', 175, true);
SELECT pg_catalog.setval('public.vos_id_seq', 4, true);
ALTER TABLE ONLY public.alembic_version_arc
    ADD CONSTRAINT alembic_version_arc_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.alembic_version_core
    ADD CONSTRAINT alembic_version_core_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.alembic_version_htcondor
    ADD CONSTRAINT alembic_version_htcondor_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.alembic_version_local
    ADD CONSTRAINT alembic_version_local_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.alembic_version_sim
    ADD CONSTRAINT alembic_version_sim_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.alembic_version_slurm
    ADD CONSTRAINT alembic_version_slurm_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.arc_identities
    ADD CONSTRAINT pk_arc_identities PRIMARY KEY (ce, vo, owner);
ALTER TABLE ONLY public.arc_jobs
    ADD CONSTRAINT pk_arc_jobs PRIMARY KEY (ce, job);
ALTER TABLE ONLY public.breaker_changes
    ADD CONSTRAINT pk_breaker_changes PRIMARY KEY (id);
ALTER TABLE ONLY public.ce_health
    ADD CONSTRAINT pk_ce_health PRIMARY KEY (ce_id);
ALTER TABLE ONLY public.ce_vos
    ADD CONSTRAINT pk_ce_vos PRIMARY KEY (ce_id, vo_id);
ALTER TABLE ONLY public.ces
    ADD CONSTRAINT pk_ces PRIMARY KEY (id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT pk_credentials PRIMARY KEY (id);
ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT pk_decisions PRIMARY KEY (id);
ALTER TABLE ONLY public.htcondor_marks
    ADD CONSTRAINT pk_htcondor_marks PRIMARY KEY (ce);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT pk_leases PRIMARY KEY (name);
ALTER TABLE ONLY public.local_hosts
    ADD CONSTRAINT pk_local_hosts PRIMARY KEY (ce);
ALTER TABLE ONLY public.maintenances
    ADD CONSTRAINT pk_maintenances PRIMARY KEY (id);
ALTER TABLE ONLY public.outputs
    ADD CONSTRAINT pk_outputs PRIMARY KEY (pilot_id);
ALTER TABLE ONLY public.pilots
    ADD CONSTRAINT pk_pilots PRIMARY KEY (id);
ALTER TABLE ONLY public.reports
    ADD CONSTRAINT pk_reports PRIMARY KEY (id);
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT pk_schedules PRIMARY KEY (id);
ALTER TABLE ONLY public.sim_faults
    ADD CONSTRAINT pk_sim_faults PRIMARY KEY (ce, fault);
ALTER TABLE ONLY public.sim_jobs
    ADD CONSTRAINT pk_sim_jobs PRIMARY KEY (id);
ALTER TABLE ONLY public.slurm_cancellations
    ADD CONSTRAINT pk_slurm_cancellations PRIMARY KEY (ce, stamp);
ALTER TABLE ONLY public.slurm_clusters
    ADD CONSTRAINT pk_slurm_clusters PRIMARY KEY (ce);
ALTER TABLE ONLY public.transitions
    ADD CONSTRAINT pk_transitions PRIMARY KEY (id);
ALTER TABLE ONLY public.vo_demands
    ADD CONSTRAINT pk_vo_demands PRIMARY KEY (vo_id);
ALTER TABLE ONLY public.vos
    ADD CONSTRAINT pk_vos PRIMARY KEY (id);
ALTER TABLE ONLY public.ces
    ADD CONSTRAINT uq_ces_name UNIQUE (name);
ALTER TABLE ONLY public.pilots
    ADD CONSTRAINT uq_pilots_stamp UNIQUE (stamp);
ALTER TABLE ONLY public.vos
    ADD CONSTRAINT uq_vos_name UNIQUE (name);
CREATE INDEX ix_arc_jobs_ce_ended_at ON public.arc_jobs USING btree (ce, ended_at);
CREATE INDEX ix_breaker_changes_at ON public.breaker_changes USING btree (at);
CREATE INDEX ix_breaker_changes_ce_id_id ON public.breaker_changes USING btree (ce_id, id);
CREATE INDEX ix_ce_vos_vo_id ON public.ce_vos USING btree (vo_id);
CREATE INDEX ix_decisions_at ON public.decisions USING btree (at);
CREATE INDEX ix_decisions_ce_id_at ON public.decisions USING btree (ce_id, at);
CREATE INDEX ix_decisions_vo_id_at ON public.decisions USING btree (vo_id, at);
CREATE INDEX ix_maintenances_ce_id_ends_at ON public.maintenances USING btree (ce_id, ends_at);
CREATE INDEX ix_pilots_ce_id_id ON public.pilots USING btree (ce_id, id);
CREATE INDEX ix_pilots_due ON public.pilots USING btree (ce_id, next_check_at) WHERE (next_check_at IS NOT NULL);
CREATE INDEX ix_pilots_ended_at ON public.pilots USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX ix_pilots_occupying ON public.pilots USING btree (ce_id, status, vo_id) WHERE ((status)::text = ANY ((ARRAY['reserved'::character varying, 'submitting'::character varying, 'submitted'::character varying, 'running'::character varying])::text[]));
CREATE INDEX ix_pilots_occupying_vo ON public.pilots USING btree (vo_id) WHERE ((status)::text = ANY ((ARRAY['reserved'::character varying, 'submitting'::character varying, 'submitted'::character varying, 'running'::character varying])::text[]));
CREATE INDEX ix_pilots_vo_id_id ON public.pilots USING btree (vo_id, id);
CREATE INDEX ix_reports_at ON public.reports USING btree (at);
CREATE INDEX ix_sim_jobs_ce_ends_at ON public.sim_jobs USING btree (ce, ends_at);
CREATE INDEX ix_transitions_ends ON public.transitions USING btree (at) WHERE ((became)::text = ANY ((ARRAY['done'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'lost'::character varying])::text[]));
CREATE INDEX ix_transitions_pilot_id_id ON public.transitions USING btree (pilot_id, id);
CREATE INDEX ix_transitions_unlearned ON public.transitions USING btree (id) WHERE ((learned_at IS NULL) AND ((became)::text <> ALL ((ARRAY['reserved'::character varying, 'submitting'::character varying])::text[])));
CREATE UNIQUE INDEX uq_credentials_backend_kind ON public.credentials USING btree (backend, kind) WHERE (vo_id IS NULL);
CREATE UNIQUE INDEX uq_credentials_vo_id_backend_kind ON public.credentials USING btree (vo_id, backend, kind) WHERE (vo_id IS NOT NULL);
CREATE UNIQUE INDEX uq_pilots_ce_id_handle ON public.pilots USING btree (ce_id, handle) WHERE ((handle IS NOT NULL) AND ((status)::text = ANY ((ARRAY['reserved'::character varying, 'submitting'::character varying, 'submitted'::character varying, 'running'::character varying])::text[])));
CREATE UNIQUE INDEX uq_schedules_task ON public.schedules USING btree (task) WHERE (vo_id IS NULL);
CREATE UNIQUE INDEX uq_schedules_task_vo_id ON public.schedules USING btree (task, vo_id) WHERE (vo_id IS NOT NULL);
CREATE TRIGGER touch_ce_health BEFORE UPDATE ON public.ce_health FOR EACH ROW WHEN ((NOT (new.updated_at IS DISTINCT FROM old.updated_at))) EXECUTE FUNCTION public.pilotage_touch();
CREATE TRIGGER touch_ces BEFORE UPDATE ON public.ces FOR EACH ROW WHEN ((NOT (new.updated_at IS DISTINCT FROM old.updated_at))) EXECUTE FUNCTION public.pilotage_touch();
CREATE TRIGGER touch_credentials BEFORE UPDATE ON public.credentials FOR EACH ROW WHEN ((NOT (new.updated_at IS DISTINCT FROM old.updated_at))) EXECUTE FUNCTION public.pilotage_touch();
CREATE TRIGGER touch_pilots BEFORE UPDATE ON public.pilots FOR EACH ROW WHEN ((NOT (new.updated_at IS DISTINCT FROM old.updated_at))) EXECUTE FUNCTION public.pilotage_touch();
CREATE TRIGGER touch_schedules BEFORE UPDATE ON public.schedules FOR EACH ROW WHEN ((NOT (new.updated_at IS DISTINCT FROM old.updated_at))) EXECUTE FUNCTION public.pilotage_touch();
CREATE TRIGGER touch_vos BEFORE UPDATE ON public.vos FOR EACH ROW WHEN ((NOT (new.updated_at IS DISTINCT FROM old.updated_at))) EXECUTE FUNCTION public.pilotage_touch();
ALTER TABLE ONLY public.breaker_changes
    ADD CONSTRAINT fk_breaker_changes_ce_id FOREIGN KEY (ce_id) REFERENCES public.ces(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.ce_health
    ADD CONSTRAINT fk_ce_health_ce_id FOREIGN KEY (ce_id) REFERENCES public.ces(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.ce_vos
    ADD CONSTRAINT fk_ce_vos_ce_id FOREIGN KEY (ce_id) REFERENCES public.ces(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.ce_vos
    ADD CONSTRAINT fk_ce_vos_vo_id FOREIGN KEY (vo_id) REFERENCES public.vos(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT fk_credentials_vo_id FOREIGN KEY (vo_id) REFERENCES public.vos(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT fk_decisions_ce_id FOREIGN KEY (ce_id) REFERENCES public.ces(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT fk_decisions_vo_id FOREIGN KEY (vo_id) REFERENCES public.vos(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.maintenances
    ADD CONSTRAINT fk_maintenances_ce_id FOREIGN KEY (ce_id) REFERENCES public.ces(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.outputs
    ADD CONSTRAINT fk_outputs_pilot_id FOREIGN KEY (pilot_id) REFERENCES public.pilots(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.pilots
    ADD CONSTRAINT fk_pilots_ce_id FOREIGN KEY (ce_id) REFERENCES public.ces(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.pilots
    ADD CONSTRAINT fk_pilots_vo_id FOREIGN KEY (vo_id) REFERENCES public.vos(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT fk_schedules_vo_id FOREIGN KEY (vo_id) REFERENCES public.vos(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.transitions
    ADD CONSTRAINT fk_transitions_pilot_id FOREIGN KEY (pilot_id) REFERENCES public.pilots(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.vo_demands
    ADD CONSTRAINT fk_vo_demands_vo_id FOREIGN KEY (vo_id) REFERENCES public.vos(id) ON DELETE CASCADE;
