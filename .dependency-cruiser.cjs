// design: app → admin, bridge, federation → rooms, mapping, platform, media → persistence → config; protocol uses nothing.
const SRC = '^src/';
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from, pathNot: '\\.spec\\.ts$' },
  to: { path: SRC, pathNot: [from, ...allowed, '^src/protocol/', '^src/message/'] },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'protocol-is-pure',
      severity: 'error',
      from: { path: '^src/protocol/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: ['^src/protocol/', '^(node:)?crypto$', '^(node:)?buffer$'] },
    },
    {
      name: 'messages-are-pure',
      severity: 'error',
      from: { path: '^src/message/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^src/', pathNot: ['^src/message/', '^src/protocol/'] },
    },
    only('config-uses-protocol-alone', '^src/config/', []),
    only('persistence-uses-config', '^src/persistence/', ['^src/config/']),
    only('rooms-use-persistence', '^src/rooms/', ['^src/persistence/', '^src/config/']),
    only('media-uses-rooms', '^src/media/', ['^src/rooms/', '^src/persistence/', '^src/config/']),
    only('mapping-uses-persistence', '^src/mapping/', ['^src/persistence/', '^src/config/']),
    only('platform-uses-persistence', '^src/platform/', ['^src/persistence/', '^src/config/']),
    {
      name: 'adapters-use-the-port-alone',
      severity: 'error',
      from: { path: '^src/platform/([^/]+)/', pathNot: '\\.spec\\.ts$' },
      to: { path: SRC, pathNot: ['^src/platform/$1/', '^src/platform/port\\.ts$', '^src/message/', '^src/protocol/'] },
    },
    only('observability-looks-at-rooms', '^src/observability/', ['^src/rooms/', '^src/persistence/', '^src/config/']),
    only('federation-uses-rooms-mapping', '^src/federation/', [
      '^src/observability/',
      '^src/rooms/',
      '^src/mapping/',
      '^src/media/',
      '^src/persistence/',
      '^src/config/',
    ]),
    only('bridge-uses-rooms-mapping-platform', '^src/bridge/', [
      '^src/observability/',
      '^src/rooms/',
      '^src/mapping/',
      '^src/media/',
      '^src/platform/',
      '^src/persistence/',
      '^src/config/',
    ]),
    {
      name: 'nothing-uses-the-app',
      severity: 'error',
      from: { path: '^src/[^/]+/' },
      to: { path: '^src/(main|cli|app\\.module)\\.ts$' },
    },
    {
      name: 'src-knows-no-demo-or-test',
      severity: 'error',
      from: { path: SRC, pathNot: '\\.spec\\.ts$' },
      to: { path: '^(demo|test|tools)/' },
    },
    { name: 'demo-knows-the-contract-alone', severity: 'error', from: { path: '^demo/' }, to: { path: SRC } },
    {
      name: 'src-runs-on-dependencies',
      severity: 'error',
      from: { path: SRC, pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
