import { expect, test } from 'vitest';
import { parsePackageName } from '../../src/diff/packageName.ts';

test.each([
  // name                       package            version        output
  ['hello-2.12', 'hello', '2.12', ''],
  ['hello', 'hello', '', ''],
  ['fixture-root', 'fixture-root', '', ''],
  ['glibc-2.39-52-bin', 'glibc', '2.39-52', 'bin'],
  ['glibc-2.39-lib32', 'glibc', '2.39', 'lib32'],
  ['perl5.36.0-URI-5.21', 'perl5.36.0-URI', '5.21', ''],
  ['python3.11-foo-1.0-unstable', 'python3.11-foo', '1.0', 'unstable'],
  ['tool-unstable-2024-01-01', 'tool-unstable', '2024-01-01', ''],
  ['a-?b', 'a', '?b', ''],
  ['ends-with-dash-', 'ends-with-dash-', '', ''],
  ['source', 'source', '', ''],
])('%s', (text, name, version, output) => {
  expect(parsePackageName(text)).toEqual({ name, version, output });
});
