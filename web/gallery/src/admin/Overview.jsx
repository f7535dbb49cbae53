import { bytes, count, STATUS } from '../text/words.js';
import { Table, Time } from './Table.jsx';

/** @typedef {{console: import('./console.js').Console, status: any}} Props */

/** What the service holds and runs, at a glance. @param {Props} props */
export function Overview({ console, status }) {
  return (
    <div class="cards">
      <Health console={console} status={status} />
      <Pictures status={status} />
      <Queues status={status} />
      <Disk status={status} />
      <Processes status={status} />
      <Versions status={status} />
    </div>
  );
}

/** @param {{title: string, children: import('preact').ComponentChildren}} props */
function Card({ title, children }) {
  return <section class="card"><h2>{title}</h2>{children}</section>;
}

/** @param {{facts: [string, import('preact').ComponentChildren][]}} props */
function Facts({ facts }) {
  return <dl>{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

/** @type {Record<string, string>} */
const SEVERITY = { ok: 'OK', warning: 'Warning', problem: 'Problem' };

/** @param {Props} props */
function Health({ console, status }) {
  const failing = Object.entries(status.service.checks).filter(([, error]) => error);
  const findings = console.findings.value;
  return (
    <Card title="State">
      {failing.length === 0 && <p>The service is ready.</p>}
      {failing.map(([name, error]) => <p key={name} class="failed">{name}: {error}</p>)}
      <p>
        <button type="button" disabled={console.checking.value} onClick={() => console.check()}>
          {console.checking.value ? 'Checking …' : 'Run the checks'}
        </button>
      </p>
      {findings && (
        <ul class="findings" aria-label="Findings">
          {findings.items.map((/** @type {any} */ { check, severity, text }) => (
            <li key={check + text} class={severity === 'problem' ? 'failed' : ''}><strong>{SEVERITY[severity]}</strong> {check}: {text}</li>
          ))}
        </ul>
      )}
      {!findings && <p class="hint">As labelling doctor. They read the whole database.</p>}
    </Card>
  );
}

/** @param {{status: any}} props */
function Pictures({ status }) {
  return <Card title="Pictures"><Facts facts={Object.entries(status.blobs).map(([name, number]) => [STATUS[name] ?? name, count(number)])} /></Card>;
}

/** @type {Record<string, string>} */
export const QUEUES = { uploads: 'uploads (pictures)', hints: 'hints (webhooks)', changes: 'changes (set aside)' };

/** @param {{status: any}} props */
function Queues({ status }) {
  const rows = Object.entries(status.queues).map(([name, queue]) => ({ name, ...queue }));
  return (
    <Card title="Queues">
      <Table
        label="Queues"
        rows={rows}
        keyOf={({ name }) => name}
        columns={[
          ['Queue', ({ name }) => QUEUES[name] ?? name],
          ['Waiting', ({ due }) => count(due), 'number'],
          ['Oldest', ({ due, oldest_seconds: seconds }) => (due ? `${Math.round(seconds)} s` : '–'), 'number'],
          ['In work or later', ({ later }) => count(later), 'number'],
          ['Dead', ({ dead }) => count(dead), 'number'],
        ]}
      />
    </Card>
  );
}

/** @param {{status: any}} props */
function Disk({ status: { disk, backups, last_backup: last } }) {
  const measured = (/** @type {number | null} */ size) => (size === null ? 'being measured' : bytes(size));
  return (
    <Card title="Disk and backups">
      <Facts facts={[
        ['Free', `${bytes(disk.free_bytes)} of ${bytes(disk.total_bytes)}; uploads leave ${bytes(disk.reserve_bytes)}`],
        ['Database', `${bytes(disk.database_bytes)}, its log ${bytes(disk.wal_bytes)}, copies ${bytes(disk.copies_bytes)}`],
        [disk.originals_in ? `Pictures in ${disk.originals_in}` : 'Pictures', measured(disk.originals_bytes)],
        ['Thumbnails', measured(disk.derived_bytes)],
        ['Measured', <Time at={disk.measured_at} none="not yet" />],
        ['Last backup', <><Time at={last} />{backups.lacking > 0 && <span class="failed"> lacks {count(backups.lacking)} pictures</span>}</>],
        ['Backups go to', backups.to ? `${backups.to}, every ${backups.every_hours} hours` : 'nowhere: see --backup-to'],
      ]} />
    </Card>
  );
}

/** @param {{status: any}} props */
function Processes({ status: { service } }) {
  return (
    <Card title="Processes">
      <Table
        label="Processes"
        rows={service.processes}
        keyOf={({ name }) => name}
        columns={[
          ['Process', ({ name }) => name],
          ['Id', ({ pid }) => pid, 'number'],
          ['Memory', ({ resident_bytes: size }) => (size === null ? 'not running' : bytes(size)), 'number'],
        ]}
      />
      <Facts facts={[['Started', <Time at={service.started_at} />], ['Detector', service.detector]]} />
    </Card>
  );
}

/** @param {{status: any}} props */
function Versions({ status: { versions, folder, limits } }) {
  return (
    <Card title="Versions and limits">
      <Facts facts={[
        ...Object.entries(versions).map(([name, version]) => /** @type {[string, any]} */ ([name, version ?? 'not installed'])),
        ['Data folder', folder],
        ['Uploads of an owner', `${limits.uploads_per_minute || 'any number'} a minute, ${limits.open_uploads || 'any number'} open`],
        ['Requests of a key', `${limits.requests_per_second || 'any number'} a second`],
      ]} />
    </Card>
  );
}
