BEGIN TRANSACTION;
CREATE TABLE action_records (
	id CHAR(32) NOT NULL, 
	seq BIGINT NOT NULL, 
	recorded_at VARCHAR(27) NOT NULL, 
	action_type VARCHAR(253), 
	state VARCHAR(16) NOT NULL, 
	target TEXT, 
	namespace VARCHAR(253), 
	workflow VARCHAR(253), 
	remediation VARCHAR(253), 
	signal VARCHAR(253), 
	dry_run BOOLEAN, 
	undoes CHAR(32), 
	image TEXT, 
	requester TEXT, 
	document JSON NOT NULL, 
	provenance JSON, 
	PRIMARY KEY (id)
);
INSERT INTO "action_records" VALUES('01a2250914d279cb90f9272f7ca42f37',7,'2026-11-29T02:01:22.556783Z','kubernetes/scale_deployment','succeeded','shop/Deployment/checkout','shop','scale-out',NULL,'7f3a5c1e9b2d4680',NULL,NULL,'x@sha256:0000000000000000000000000000000000000000000000000000000000000000','alice','{"action_type":"kubernetes/scale_deployment","at":"2026-11-29T02:01:21.875004Z","attempt":0,"change":{"after":{"replicas":1},"before":{"replicas":0}},"changed":true,"image":"x@sha256:0000000000000000000000000000000000000000000000000000000000000000","requester":"alice","signal":{"fingerprint":"7f3a5c1e9b2d4680","name":"CheckoutLatencyHigh"},"source":"container","state":"succeeded","step":"step-0","target":{"kind":"Deployment","name":"checkout","namespace":"shop"},"workflow":{"name":"scale-out","namespace":"shop","uid":"5c1f"}}','{"keys":[["started","container","2026-11-29T02:01:21.875004Z",["image","requester","signal","step","target","workflow"]]]}');
INSERT INTO "action_records" VALUES('01a2250914d37510bc30c4f53f962364',8,'2026-11-29T02:01:22.556783Z','kubernetes/scale_deployment','failed','shop/Deployment/checkout','shop','scale-out',NULL,'7f3a5c1e9b2d4680',NULL,NULL,'x@sha256:0000000000000000000000000000000000000000000000000000000000000000','alice','{"action_type":"kubernetes/scale_deployment","at":"2026-11-29T02:01:21.875107Z","attempt":0,"change":{"after":{"replicas":2},"before":{"replicas":1}},"changed":false,"image":"x@sha256:0000000000000000000000000000000000000000000000000000000000000000","requester":"alice","signal":{"fingerprint":"7f3a5c1e9b2d4680","name":"CheckoutLatencyHigh"},"source":"container","state":"failed","step":"step-1","target":{"kind":"Deployment","name":"checkout","namespace":"shop"},"workflow":{"name":"scale-out","namespace":"shop","uid":"5c1f"}}','{"keys":[["started","container","2026-11-29T02:01:21.875107Z",["image","requester","signal","step","target","workflow"]]]}');
INSERT INTO "action_records" VALUES('01a2250914d379698f05bd2782cd500d',9,'2026-11-29T02:01:22.556783Z','kubernetes/scale_deployment','unchanged','shop/Deployment/checkout','shop','scale-out',NULL,'7f3a5c1e9b2d4680',NULL,NULL,'x@sha256:0000000000000000000000000000000000000000000000000000000000000000','alice','{"action_type":"kubernetes/scale_deployment","at":"2026-11-29T02:01:21.875141Z","attempt":0,"change":{"after":{"replicas":3},"before":{"replicas":2}},"changed":false,"image":"x@sha256:0000000000000000000000000000000000000000000000000000000000000000","requester":"alice","signal":{"fingerprint":"7f3a5c1e9b2d4680","name":"CheckoutLatencyHigh"},"source":"container","state":"unchanged","step":"step-2","target":{"kind":"Deployment","name":"checkout","namespace":"shop"},"workflow":{"name":"scale-out","namespace":"shop","uid":"5c1f"}}','{"keys":[["started","container","2026-11-29T02:01:21.875141Z",["image","requester","signal","step","target","workflow"]]]}');
INSERT INTO "action_records" VALUES('01a2250914d375b18d368126fc614473',10,'2026-11-29T02:01:22.556783Z','kubernetes/scale_deployment','planned','shop/Deployment/checkout','shop','scale-out',NULL,'7f3a5c1e9b2d4680',NULL,NULL,'x@sha256:0000000000000000000000000000000000000000000000000000000000000000','alice','{"action_type":"kubernetes/scale_deployment","at":"2026-11-29T02:01:21.875211Z","attempt":0,"change":{"after":{"replicas":4},"before":{"replicas":3}},"changed":false,"image":"x@sha256:0000000000000000000000000000000000000000000000000000000000000000","requester":"alice","signal":{"fingerprint":"7f3a5c1e9b2d4680","name":"CheckoutLatencyHigh"},"source":"container","state":"planned","step":"step-3","target":{"kind":"Deployment","name":"checkout","namespace":"shop"},"workflow":{"name":"scale-out","namespace":"shop","uid":"5c1f"}}','{"keys":[["started","container","2026-11-29T02:01:21.875211Z",["image","requester","signal","step","target","workflow"]]]}');
INSERT INTO "action_records" VALUES('01a2250914d37f6ebc9bcadf84453664',11,'2026-11-29T02:01:22.556783Z','kubernetes/scale_deployment','cancelled','shop/Deployment/checkout','shop','scale-out',NULL,'7f3a5c1e9b2d4680',NULL,NULL,'x@sha256:0000000000000000000000000000000000000000000000000000000000000000','alice','{"action_type":"kubernetes/scale_deployment","at":"2026-11-29T02:01:21.875246Z","attempt":0,"change":{"after":{"replicas":5},"before":{"replicas":4}},"changed":false,"image":"x@sha256:0000000000000000000000000000000000000000000000000000000000000000","requester":"alice","signal":{"fingerprint":"7f3a5c1e9b2d4680","name":"CheckoutLatencyHigh"},"source":"container","state":"cancelled","step":"step-4","target":{"kind":"Deployment","name":"checkout","namespace":"shop"},"workflow":{"name":"scale-out","namespace":"shop","uid":"5c1f"}}','{"keys":[["started","container","2026-11-29T02:01:21.875246Z",["image","requester","signal","step","target","workflow"]]]}');
INSERT INTO "action_records" VALUES('01a2250914d37a6d9aa8bed8c3af8b38',12,'2026-11-29T02:01:22.556783Z','kubernetes/scale_deployment','succeeded','shop/Deployment/checkout','shop','scale-out',NULL,'7f3a5c1e9b2d4680',NULL,NULL,'x@sha256:0000000000000000000000000000000000000000000000000000000000000000','alice','{"action_type":"kubernetes/scale_deployment","at":"2026-11-29T02:01:21.875276Z","attempt":0,"change":{"after":{"replicas":6},"before":{"replicas":5}},"changed":true,"image":"x@sha256:0000000000000000000000000000000000000000000000000000000000000000","requester":"alice","signal":{"fingerprint":"7f3a5c1e9b2d4680","name":"CheckoutLatencyHigh"},"source":"container","state":"succeeded","step":"step-5","target":{"kind":"Deployment","name":"checkout","namespace":"shop"},"workflow":{"name":"scale-out","namespace":"shop","uid":"5c1f"}}','{"keys":[["started","container","2026-11-29T02:01:21.875276Z",["image","requester","signal","step","target","workflow"]]]}');
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE commits (
	at VARCHAR(27) NOT NULL, 
	batch BIGINT NOT NULL, 
	first_seq BIGINT NOT NULL, 
	count INTEGER NOT NULL, 
	root BLOB NOT NULL, 
	previous BLOB NOT NULL, 
	chain BLOB NOT NULL, 
	leaves BLOB NOT NULL, 
	note JSON, 
	key_id VARCHAR(16), 
	signature BLOB, 
	PRIMARY KEY (at, batch)
);
INSERT INTO "commits" VALUES('2026-11-29T02:01:22.473252Z',1,1,6,X'D100D7D0A12C0830CF4CE28AA9552E5F4F507A0AA06B54827BA57D796B47C890',X'0000000000000000000000000000000000000000000000000000000000000000',X'5B4AF6295CCB4A9E78E380A695F245762E0EF69755A90E9AF906F2394DDF271D',X'01A2250914D279CB90F9272F7CA42F37335C2FD93177E702D57D768920002B634CCE639B30A699D716C988A04887C1E9335C2FD93177E702D57D768920002B634CCE639B30A699D716C988A04887C1E901A2250914D37510BC30C4F53F962364F8A2DB48D03DB044CCC72C1E6959DEF6F31C6A150E6B0E8C40B05D6CD6A0AE20F8A2DB48D03DB044CCC72C1E6959DEF6F31C6A150E6B0E8C40B05D6CD6A0AE2001A2250914D379698F05BD2782CD500DE26911600C1DC54C463F232CCD98CC68B39CE4A8570CF5CF19FEAC22F6A62F0FE26911600C1DC54C463F232CCD98CC68B39CE4A8570CF5CF19FEAC22F6A62F0F01A2250914D375B18D368126FC6144734DE8A019E8F256D012D707E1B51DBAA4B1D92EBF9DA9878E1B6A8EADC3D3FB464DE8A019E8F256D012D707E1B51DBAA4B1D92EBF9DA9878E1B6A8EADC3D3FB4601A2250914D37F6EBC9BCADF84453664FDF3250904715B8CEC0CC95952E3E8E803897420C71494FA2A118A67F571CA16FDF3250904715B8CEC0CC95952E3E8E803897420C71494FA2A118A67F571CA1601A2250914D37A6D9AA8BED8C3AF8B389F1B7C95BF3EBB323F6095098CB1C4D925B267EDCD06FD4D67CA9E73AD3CE4EF9F1B7C95BF3EBB323F6095098CB1C4D925B267EDCD06FD4D67CA9E73AD3CE4EF',NULL,NULL,NULL);
INSERT INTO "commits" VALUES('2026-11-29T02:01:22.556783Z',2,7,6,X'686B7A912625A0D3999A4939B590D40E695A8CA1982FD1060DDADACFD2B89863',X'5B4AF6295CCB4A9E78E380A695F245762E0EF69755A90E9AF906F2394DDF271D',X'95C4F221FD484905E75DC79740D25369308CC7539CDF5EC36373CCFC3B4532D2',X'01A2250914D279CB90F9272F7CA42F37C57FA194E2132789BBCF7DD0533F26A74BCAF723A49AD2D8B868DBAACA43C7533CB3D015B077898CAF435DFD69FE073C9457CE1B8770F802ABEB598C64E7AF2A01A2250914D37510BC30C4F53F962364CB2FC67D28B3406C51955BFB1965C67D6EF379473D50848BE2E2DD7D1CA750B2B14F44A48384501312492C4B4555148DD68787B3C26DB1F04A1CF724EBFECF8601A2250914D379698F05BD2782CD500DE4658F48CB2E49B21EFCFBDBE8C1D50E2DF42FDD4F30108476DAB43A079FCA952C4B3D8B72566DAA8C123E6A1DA92A646EC0714256257C28F653EE86C6A13C1201A2250914D375B18D368126FC614473B8BEE00B5F0D836DA5D8DBEB3688288203A08BE95689827E56393704EFB87E2CD2F7A63B4DEB72078FB913D4BFFA465A290593B9B2397BF1E85ACB5698DD62A001A2250914D37F6EBC9BCADF8445366460577F0D29AEB2FDC6599A37528F90670E8DA2BE99E987F5989EC23AA52C81B9E5D53D6E4A5640D53DF4D70BB5C00E0BEFB08D02D82FABE0956B57EFD443E66601A2250914D37A6D9AA8BED8C3AF8B38991E6285C7E075D044E201BEC751E58E43F4E8AEDE0149F3737F19EC4535759E49C01F85A74B26F9B523E4D8F3C6FADB527FC10541D11DE5CF91FF3633C475D8',NULL,NULL,NULL);
CREATE TABLE legal_holds (
	month VARCHAR(7) NOT NULL, 
	reason TEXT NOT NULL, 
	since VARCHAR(27) NOT NULL, 
	PRIMARY KEY (month)
);
CREATE TABLE record_counts (
	day VARCHAR(10) NOT NULL, 
	action_type VARCHAR(253) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	dry_run BOOLEAN NOT NULL, 
	records BIGINT NOT NULL, 
	PRIMARY KEY (day, action_type, state, dry_run)
);
INSERT INTO "record_counts" VALUES('2026-11-29','kubernetes/scale_deployment','started',0,0);
INSERT INTO "record_counts" VALUES('2026-11-29','kubernetes/scale_deployment','succeeded',0,2);
INSERT INTO "record_counts" VALUES('2026-11-29','kubernetes/scale_deployment','failed',0,1);
INSERT INTO "record_counts" VALUES('2026-11-29','kubernetes/scale_deployment','unchanged',0,1);
INSERT INTO "record_counts" VALUES('2026-11-29','kubernetes/scale_deployment','planned',0,1);
INSERT INTO "record_counts" VALUES('2026-11-29','kubernetes/scale_deployment','cancelled',0,1);
CREATE TABLE signals (
	fingerprint VARCHAR(253) NOT NULL, 
	fired_at VARCHAR(27) NOT NULL, 
	resolved_at VARCHAR(27), 
	name TEXT, 
	severity TEXT, 
	PRIMARY KEY (fingerprint, fired_at)
);
INSERT INTO "signals" VALUES('7f3a5c1e9b2d4680','2026-11-29T02:01:21.875340Z',NULL,'CheckoutLatencyHigh','critical');
CREATE TABLE sweeps (
	id INTEGER NOT NULL, 
	month VARCHAR(7) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX action_records_image ON action_records (image, id) WHERE image IS NOT NULL;
CREATE INDEX action_records_seq ON action_records (seq);
CREATE INDEX action_records_remediation ON action_records (remediation, id) WHERE remediation IS NOT NULL;
CREATE INDEX action_records_undoes ON action_records (undoes, id) WHERE undoes IS NOT NULL;
CREATE INDEX action_records_signal ON action_records (signal, id) WHERE signal IS NOT NULL;
CREATE INDEX action_records_workflow ON action_records (workflow, id) WHERE workflow IS NOT NULL;
CREATE INDEX action_records_type ON action_records (action_type, id DESC);
CREATE INDEX action_records_namespace ON action_records (namespace, id) WHERE namespace IS NOT NULL;
CREATE INDEX action_records_dry_run ON action_records (id) WHERE dry_run;
CREATE INDEX action_records_requester ON action_records (requester, id) WHERE requester IS NOT NULL;
CREATE INDEX action_records_state ON action_records (state, id);
CREATE INDEX action_records_type_state ON action_records (action_type, state, id);
CREATE INDEX action_records_target ON action_records (target, id) WHERE target IS NOT NULL;
CREATE INDEX commits_first_seq ON commits (first_seq);
CREATE INDEX signals_fired_at ON signals (fired_at);
COMMIT;
