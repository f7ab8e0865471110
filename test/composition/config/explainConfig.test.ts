/** What would be made of a configuration, as it is told. */
import { expect, test } from 'vitest';
import { explainConfig, explainedLines } from '../../../src/composition/config/explainConfig.ts';
import { readConfig } from '../../../src/composition/config/readConfig.ts';

async function explained(text: string): Promise<string[]> {
  const files = { directory: '/', readText: async () => '' };
  return explainedLines(explainConfig(await readConfig(text, 'narthex.toml', files)));
}

test('nothing that lets somebody in', async () => {
  const lines = await explained(`
    upstreams = [
      "https://me:sec@ret@a.example/x?token=secret",
      "nix+https://me:secret@b.example",
      "nix+https://me:secret@b.example?no_check_sigs=true",
    ]`);
  expect(lines).toEqual([
    'store: the one that the command line names',
    'filled from',
    '  nix, https://a.example/x?…, signed by cache.nixos.org-1',
    '  nix, https://b.example, signed by cache.nixos.org-1',
    '  nix, https://b.example, unsigned ones too',
  ]);
});

test('services that differ in what is not told are not mistaken for each other', async () => {
  const lines = await explained(`
    [blobservices.root]
    type = "memory"
    [directoryservices.root]
    type = "memory"
    [pathinfoservices.root]
    type = "priority"
    members = ["&first", "&second"]
    [pathinfoservices.first]
    type = "cache"
    near = "memory:"
    far = "nix+https://one:secret@a.example"
    [pathinfoservices.second]
    type = "cache"
    near = "memory:"
    far = "nix+https://two:secret@a.example"`);
  const service = 'pathinfoservices.nix+https://a.example: nix, https://a.example';
  expect(lines.filter((line) => line.trim().startsWith(service))).toHaveLength(2);
});

test('names that would write to the terminal, and IPv6 addresses', async () => {
  const lines = await explained(`
    listen = "[::1]:80"
    [blobservices]
    root = { type = "memory" }
    "\\u001b[2J" = { type = "memory" }
    [directoryservices.root]
    type = "memory"
    [pathinfoservices.root]
    type = "memory"`);
  expect(lines[0]).toBe('listen at: [::1]:80');
  expect(lines.at(-1)).toBe('  blobservices.\\x1b[2J');
});
