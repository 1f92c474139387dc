// npm's docker-machine from a machine's first to its last day: wrapper.js NAME NETWORK
'use strict'

const assert = require('assert')
const { promisify } = require('util')
const Machine = require('docker-machine')

const [name, network] = process.argv.slice(2)
const call = (method, ...args) => promisify(Machine[method])(...args)

async function main () {
  await assert.rejects(call('status', name))
  await call('create', name, 'docker', { 'docker-network': network })
  assert.strictEqual(await call('status', name), 'running')
  assert.strictEqual(await call('isRunning', name), true)

  const [row] = await call('list', { timeout: 10, inspect: true })
  assert.strictEqual(row.name, name)
  assert.strictEqual(row.state, 'running')
  assert.strictEqual(row.driverName, 'docker')
  assert.strictEqual(row.activeHost, false)
  assert.strictEqual(row.error, null)
  assert.match(row.dockerVersion, /^v\d+\./)
  assert.ok(row.responseTime >= 0 && row.responseTime < 10000, `${row.responseTime} ms`)
  assert.strictEqual(row.url, `tcp://${row.driver.ipAddress}:2376`)

  const env = await call('env', name, { parse: true })
  assert.strictEqual(env.DOCKER_HOST, row.url)
  assert.strictEqual(env.DOCKER_TLS_VERIFY, '1')
  assert.strictEqual(env.DOCKER_MACHINE_NAME, name)
  assert.match(await call('env', name, { shell: 'cmd' }), /^SET DOCKER_TLS_VERIFY=1$/m)

  assert.strictEqual((await call('ssh', name, ['echo', 'a', '&&', 'hostname'])).trim(), `a\n${name}`)
  assert.strictEqual((await call('inspect', name)).driver.machineName, name)

  // "already running" and "already stopped" are fine with this client, by their sentences.
  await call('start', name)
  await call('stop', name)
  await call('stop', name)
  await call('kill', name)
  assert.strictEqual(await call('status', name), 'stopped')
  await call('start', name)
  assert.strictEqual(await call('isRunning', name), true)
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
