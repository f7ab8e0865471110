/** From the three tables of services to a hierarchy that can be built: names resolve, nothing is circular. */
import { excerpt } from '../../excerpt.ts';
import { addressTable } from './address.ts';
import { type ConfigTable, shownKind } from './configTable.ts';
import { Fields, type Reading } from './fields.ts';
import type { Place } from './place.ts';
import { readCastoreService, readPathInfoService, type Trusted } from './readService.ts';
import {
  type CastoreConfig,
  type HierarchyConfig,
  type PathInfoConfig,
  type Placed,
  type Reference,
  ROOT,
  referencesOf,
  SERVICE_KINDS,
  type ServiceConfig,
  type ServiceKind,
} from './serviceConfig.ts';
import { checkWritePlaces, shownService } from './writePlaces.ts';

/** A service that is still to be read. */
interface Unread {
  readonly kind: ServiceKind;
  readonly name: string;
  readonly table: ConfigTable;
}

type Services = Readonly<Record<ServiceKind, Map<string, Placed<ServiceConfig>>>>;

/** What {@link readHierarchy} needs of a reading; what is addressed it finds by itself. */
export type HierarchyReading = Omit<Reading, 'addressed'>;

/** Whether a configuration has services of its own. */
export function hasHierarchy({ entries }: ConfigTable): boolean {
  return SERVICE_KINDS.some((kind) => entries.has(kind));
}

/**
 * Reads `[blobservices.*]`, `[directoryservices.*]` and `[pathinfoservices.*]`. Each kind needs a `root`.
 * What is wrong is told to `reading.faults`; only without a fault is the result what it says.
 */
export async function readHierarchy(
  config: ConfigTable,
  reading: HierarchyReading,
  trusted: Trusted,
): Promise<HierarchyConfig> {
  const { faults } = reading;
  const castore = {
    blobservices: new Map<string, Placed<CastoreConfig>>(),
    directoryservices: new Map<string, Placed<CastoreConfig>>(),
  };
  const pathinfoservices = new Map<string, Placed<PathInfoConfig>>();
  const services = { ...castore, pathinfoservices };
  const waiting: Unread[] = SERVICE_KINDS.flatMap((kind) => tablesOf(kind, config, reading));
  const addressed = (kind: ServiceKind, { name, place }: Reference) => {
    const isKnown =
      services[kind].has(name) || waiting.some((one) => one.kind === kind && one.name === name);
    const table = isKnown ? undefined : addressTable(name, place, faults);
    if (table !== undefined) waiting.push({ kind, name, table });
  };
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { kind, name, table } = next;
    const { place } = table;
    const fields = new Fields(table, { ...reading, addressed });
    if (kind === 'pathinfoservices') {
      const read = await readPathInfoService(fields, trusted);
      if (read !== undefined) pathinfoservices.set(name, { config: read, place });
    } else {
      castore[kind].set(name, { config: await readCastoreService(kind, fields), place });
    }
    fields.end();
  }
  if (faults.isEmpty) checkReferences(services, config.place, reading);
  if (faults.isEmpty) checkWritePlaces(services, faults);
  return services;
}

function tablesOf(kind: ServiceKind, config: ConfigTable, { faults }: HierarchyReading): Unread[] {
  const all = config.entries.get(kind)?.value;
  if (all === undefined) return [];
  if (all.kind !== 'table') {
    faults.add(all.place, `should be tables of services, [${kind}.NAME], not ${shownKind(all)}`);
    return [];
  }
  return [...all.table.entries].flatMap(([name, { value }]) => {
    if (value.kind === 'table') return [{ kind, name, table: value.table }];
    faults.add(value.place, `should be a service, [${kind}.NAME], not ${shownKind(value)}`);
    return [];
  });
}

function checkReferences(services: Services, place: Place, { faults }: HierarchyReading): void {
  for (const kind of SERVICE_KINDS) {
    if (!services[kind].has(ROOT)) faults.add(place, `[${kind}.${ROOT}] is missing`);
    for (const { config } of services[kind].values()) {
      for (const outgoing of referencesOf(kind, config)) {
        const { name, place: from } = outgoing.reference;
        const known = services[outgoing.kind];
        if (known.has(name)) continue;
        const names = [...known]
          .filter(([one, { place }]) => place.key === `${outgoing.kind}.${one}`)
          .map(([one]) => `&${excerpt(one)}`);
        faults.add(
          from,
          `there is no ${outgoing.kind}.${excerpt(name)}; there are ${names.join(', ')}`,
        );
      }
    }
  }
  if (!faults.isEmpty) return;
  for (const chain of cyclesOf(services)) {
    const names = chain.map(({ kind, reference }) => shownService(kind, reference.name));
    const [first] = chain;
    if (first === undefined) continue;
    faults.add(first.reference.place, `is made of itself: ${[...names, names[0]].join(' → ')}`);
  }
}

type Step = ReturnType<typeof referencesOf>[number];

/** Chains of references that lead back to where they began, each once; found without recursion. */
function* cyclesOf(services: Services): Generator<Step[], void, undefined> {
  /** Services that no cycle leads through any more. */
  const done = new Set<string>();
  const keyOf = ({ kind, reference }: Step) => `${kind}.${reference.name}`;
  const below = ({ kind, reference }: Step) => {
    const config = services[kind].get(reference.name)?.config;
    const steps = config === undefined ? [] : referencesOf(kind, config);
    return steps.filter(({ isBuiltFirst }) => isBuiltFirst).values();
  };
  for (const kind of SERVICE_KINDS) {
    for (const [name, { place }] of services[kind]) {
      const start: Step = { kind, reference: { name, place }, isBuiltFirst: true };
      if (done.has(keyOf(start))) continue;
      const chain = [{ step: start, rest: below(start) }];
      for (let top = chain.at(-1); top !== undefined; top = chain.at(-1)) {
        const { value: next } = top.rest.next();
        if (next === undefined) {
          done.add(keyOf(top.step));
          chain.pop();
          continue;
        }
        const key = keyOf(next);
        const at = chain.findIndex(({ step }) => keyOf(step) === key);
        if (at !== -1) {
          // told where the chain comes back, in the order in which it leads there
          const steps = chain.slice(at).map(({ step }) => step);
          yield [next, ...steps.slice(1)];
        } else if (!done.has(key)) {
          chain.push({ step: next, rest: below(next) });
        }
      }
    }
  }
}
