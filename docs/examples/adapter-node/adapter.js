// An adapter for Mesh Telemetry in Node: appends a line for each request to a file.
//
//   node adapter.js 127.0.0.1:50051                 plain text, for this machine only
//   node adapter.js 0.0.0.0:50051 ca.pem cert.pem key.pem    mutual TLS
//
// proto/telemetry/adapter/v1/adapter.proto says what each message means, docs/adapters/grpc.md how the two work together.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');
const { HealthImplementation } = require('grpc-health-check');

const SERVICE = 'telemetry.adapter.v1.Adapter';
const proto = path.join(__dirname, '../../../proto/telemetry/adapter/v1/adapter.proto');
const { Adapter } = grpc.loadPackageDefinition(loadSync(proto, {
  longs: String, enums: String, defaults: true, oneofs: true, keepCase: true,
})).telemetry.adapter.v1;

const OPTIONS_SCHEMA = {
  type: 'object',
  properties: { file: { type: 'string', description: 'The file that lines are appended to.' } },
  required: ['file'],
  additionalProperties: false,
};

function describe(call, done) {
  done(null, {
    name: 'request-lines',
    version: '1.0.0',
    protocol_versions: [1],
    templates: ['LOGENTRY'],
    encodings: ['JSON_LINES'], // no Arrow needed
    options_json_schema: JSON.stringify(OPTIONS_SCHEMA),
    limits: { max_rows: 5000 },
  });
}

function validate(call, done) {
  const options = JSON.parse(call.request.options_json);
  const faults = Object.keys(options).filter((name) => name !== 'file')
    .map((name) => ({ path: name, message: 'there is no such option' }));
  if (typeof options.file !== 'string' || !options.file) {
    faults.push({ path: 'file', message: 'must be the name of a file' });
  }
  done(null, { faults });
}

// Rows that were taken already, by identity: one whose result was lost comes again. Bounded; a real sink has a key.
const seen = new Set();
const MOST_SEEN = 1_000_000;

function remember(identity) {
  if (seen.size >= MOST_SEEN) seen.delete(seen.values().next().value);
  seen.add(identity);
}

// Gives the batch's outcome: exactly one of ok, retry, rejected, too_large, partial.
function take(batch, options) {
  const rejected = {};
  const lines = new Map(); // by identity
  batch.rows.toString('utf8').split('\n').filter(Boolean).forEach((text, position) => {
    const row = JSON.parse(text);
    const identity = `${batch.receiver} ${batch.epoch} ${batch.sequence} ${row.row}`;
    if (!row['request.method']) {
      rejected[position] = 'not an HTTP request'; // becomes a dead letter
    } else if (!seen.has(identity)) {
      const { 'request.id': id, 'request.method': method, 'request.path': url, 'response.code': code } = row;
      lines.set(identity, JSON.stringify({ id, method, url, code: code ?? null }) + '\n');
    }
  });
  try {
    fs.appendFileSync(options.file, [...lines.values()].join(''));
  } catch (error) {
    return { retry: { message: error.message, after_ms: 1000 } };
  }
  [...lines.keys()].forEach(remember);
  if (Object.keys(rejected).length) return { partial: { message: 'this adapter takes HTTP only', rejected } };
  return { ok: {} };
}

function exportBatches(stream) {
  let options;
  stream.on('data', ({ opening, batch }) => {
    if (opening) {
      options = JSON.parse(opening.options_json);
    } else {
      stream.write({ id: batch.id, ...take(batch, options) });
    }
  });
  stream.on('end', () => stream.end());
  stream.on('error', () => {}); // the other side is gone; what had no result comes again
}

function credentials([ca, cert, key]) {
  if (!ca) return grpc.ServerCredentials.createInsecure();
  const pair = { cert_chain: fs.readFileSync(cert), private_key: fs.readFileSync(key) };
  return grpc.ServerCredentials.createSsl(fs.readFileSync(ca), [pair], true);
}

const [address, ...tls] = process.argv.slice(2);
const server = new grpc.Server();
server.addService(Adapter.service, { Describe: describe, Validate: validate, Export: exportBatches });
new HealthImplementation({ [SERVICE]: 'SERVING' }).addToServer(server);
server.bindAsync(address, credentials(tls), (error, port) => {
  if (error) throw error;
  console.log(`serving on port ${port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.forceShutdown());
