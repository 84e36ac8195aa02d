import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

interface Row {
  level: string;
  text: string;
  where?: string | string[];
  [kind: string]: unknown;
}
interface Marker {
  ids: string[];
  file: string;
  test: string;
}
interface Tool {
  markersIn(file: string, text: string): { markers: Marker[]; faults: string[] };
  faultsOf(requirements: Map<string, Row>, markers: Marker[], files: object): string[];
  againstDraft(lists: object[], draft: string): string[];
}

const TOOL = fileURLToPath(new URL('../../tools/conformance.mjs', import.meta.url));
let tool: Tool;

beforeAll(async () => {
  tool = (await import(TOOL)) as Tool;
});

describe('docs/conformance.md', () => {
  it('is what its lists and the markers above the tests say', () => {
    const { stderr, status } = spawnSync(process.execPath, [TOOL, '--check'], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe('a marker', () => {
  const SPEC = [
    "describe('a door', () => {",
    '  // proves LM-04/doors/1, 2; profile/doors/1',
    '  // proves LM-04/locks/1',
    "  it.each([1, 2])('number %d closes', () => undefined);",
    '});',
  ].join('\n');

  it('belongs to the test below it, of whatever form', () => {
    expect(tool.markersIn('door.spec.ts', SPEC)).toEqual({
      faults: [],
      markers: [
        {
          ids: ['LM-04/doors/1', 'LM-04/doors/2', 'profile/doors/1', 'LM-04/locks/1'],
          file: 'door.spec.ts',
          test: 'a door: number %d closes',
        },
      ],
    });
  });

  it('that is none, or stands above no test, is told', () => {
    expect(tool.markersIn('x', "// proves doors\nit('x', () => undefined);").faults).toHaveLength(1);
    expect(tool.markersIn('x', '// proves LM-04/doors/1\nconst x = 1;').faults).toHaveLength(1);
  });
});

describe('a requirement', () => {
  const files = { exists: (path: string) => path === 'door.ts', read: () => 'function close() {}' };
  const marker = { ids: ['LM-04/doors/1'], file: 'door.spec.ts', test: 'closes' };
  const row = (more: object): Map<string, Row> =>
    new Map([['LM-04/doors/1', { level: 'MUST', text: 'It closes.', ...more }]]);

  it('is fine where it is met and proved, or where it is said why not', () => {
    expect(tool.faultsOf(row({ where: 'door.ts#close' }), [marker], files)).toEqual([]);
    expect(tool.faultsOf(row({ na: 'there is no door' }), [], files)).toEqual([]);
    expect(tool.faultsOf(row({ open: 'not yet', where: 'door.ts' }), [], files)).toEqual([]);
  });

  it.each([
    ['claims a test and has none', { where: 'door.ts' }, []],
    ['names a file that is gone', { where: 'gate.ts' }, [marker]],
    ['names a symbol that is gone', { where: 'door.ts#lock' }, [marker]],
    ['says neither where nor why not', {}, [marker]],
    ['is met in part, without a test of that part', { partly: 'half', where: 'door.ts' }, []],
    ['does not apply, and yet is proved', { na: 'there is no door' }, [marker]],
    ['is two things', { na: 'no door', open: 'not yet' }, []],
    ['is proved under another id', { where: 'door.ts' }, [marker, { ...marker, ids: ['LM-04/doors/2'] }]],
  ])('that %s is told', (_what, more, markers) => {
    expect(tool.faultsOf(row(more), markers, files)).toHaveLength(1);
  });

  it('is not forgotten: each section has the keywords of the draft’s', () => {
    const draft = '--- middle\n# Doors {#int-doors}\nA door MUST close. It SHOULD NOT squeak.\n## Locks\nIt MUST lock.';
    const section = (...levels: string[]) => ({ rows: Object.fromEntries(levels.map((level, n) => [n, { level }])) });
    const lists = (doors: object, locks: object) => [{ source: 'LM-04', sections: { doors, locks } }];
    expect(tool.againstDraft(lists(section('MUST', 'SHOULD NOT'), section('MUST')), draft)).toEqual([]);
    expect(tool.againstDraft(lists(section('MUST', 'SHOULD'), section('MUST')), draft)).toHaveLength(1);
    expect(tool.againstDraft(lists(section('MUST, SHOULD NOT'), section()), draft)).toHaveLength(1);
  });
});
