/**
 * Where what is written into a hierarchy ends. What is brought in, or uploaded, needs a place: a service that
 * takes writes, and for PathInfos of an embedded store that very store for their content.
 */
import type { Faults } from './place.ts';
import type { HoldingsConfig } from './serveConfig.ts';
import {
  type HierarchyConfig,
  type NixConfig,
  type Reference,
  ROOT,
  SERVICE_KINDS,
  type ServiceConfig,
  type ServiceKind,
} from './serviceConfig.ts';
import { withoutSecrets } from './urls.ts';

/** A service at which writes end. */
export interface WritePlace {
  /** For people. */
  readonly shown: string;
  readonly config: ServiceConfig;
}

/** The service that gets what is written to another one. Nothing in the hierarchy is circular. */
export function writePlaceOf(
  hierarchy: HierarchyConfig,
  kind: ServiceKind,
  name: string,
): WritePlace | undefined {
  for (let at = name; ; ) {
    const config = hierarchy[kind].get(at)?.config;
    if (config === undefined) return undefined;
    const next = nextOf(config);
    if (next === undefined) return { shown: shownService(kind, at), config };
    at = next.name;
  }
}

/** A service for people to see. */
export function shownService(kind: ServiceKind, name: string): string {
  return `${kind}.${withoutSecrets(name)}`;
}

/** The part of what is served that takes no writes, if there is one. */
export function unwritablePart(holdings: HoldingsConfig): string | undefined {
  if (holdings.type !== 'hierarchy') return takesWrites(holdings) ? undefined : 'store';
  const places = SERVICE_KINDS.map((kind) => writePlaceOf(holdings.hierarchy, kind, ROOT));
  return places.find((place) => place !== undefined && !takesWrites(place.config))?.shown;
}

/** Tells of caches and binary caches whose hierarchy has no place for what they bring in. */
export function checkWritePlaces(hierarchy: HierarchyConfig, faults: Faults): void {
  for (const kind of SERVICE_KINDS) {
    for (const { config } of hierarchy[kind].values()) {
      if (config.type === 'cache') checkTakesWrites(hierarchy, kind, config.near, faults);
      else if (config.type === 'nix') checkTarget(hierarchy, config, faults);
    }
  }
}

function checkTakesWrites(
  hierarchy: HierarchyConfig,
  kind: ServiceKind,
  { name, place }: Reference,
  faults: Faults,
): boolean {
  const end = writePlaceOf(hierarchy, kind, name);
  if (end === undefined || takesWrites(end.config)) return true;
  faults.add(place, `there is no place for what it brings in: ${end.shown} takes no writes`);
  return false;
}

/** An embedded store takes PathInfos only of content that it has. */
function checkTarget(hierarchy: HierarchyConfig, config: NixConfig, faults: Faults): void {
  const { pathInfoService, blobService, directoryService } = config;
  const castore = [
    ['blobservices', blobService],
    ['directoryservices', directoryService],
  ] as const;
  const checked = [['pathinfoservices', pathInfoService] as const, ...castore].map(
    ([kind, reference]) => checkTakesWrites(hierarchy, kind, reference, faults),
  );
  const end = writePlaceOf(hierarchy, 'pathinfoservices', pathInfoService.name);
  if (checked.includes(false) || end?.config.type !== 'lmdb') return;
  const { path } = end.config;
  for (const [kind, { name, place }] of castore) {
    const content = writePlaceOf(hierarchy, kind, name);
    if (content === undefined) continue;
    if (content.config.type === 'lmdb' && content.config.path === path) continue;
    faults.add(
      place,
      `there is no place for what it brings in: ${end.shown} takes only PathInfos whose content is in the same store, and content goes to ${content.shown}`,
    );
  }
}

/** Where writes go on to. */
function nextOf(config: ServiceConfig): Reference | undefined {
  switch (config.type) {
    case 'cache':
      return config.near;
    case 'lru':
    case 'signing':
      return config.inner;
    case 'priority':
      return config.members[0];
    default:
      return undefined;
  }
}

function takesWrites(config: ServiceConfig): boolean {
  switch (config.type) {
    case 'readonly':
    case 'nix':
      return false;
    case 'lmdb':
      return !config.readOnly;
    default:
      return true;
  }
}
