// A real Bluesky personal data server and its PLC directory, on loopback only, on ports of their own choice. Behind it stands an
// AppView that has indexed nothing yet: the server passes questions about accounts that it does not serve on to it.
//
// Prints one line of JSON when both are ready: {"pds": url, "plc": url, "did": "did of the server"}. Everything it stores
// lies in a temporary folder and in memory; SIGTERM ends it.

import http from 'node:http'
import net from 'node:net'
import { TestNetworkNoAppView } from '@atproto/dev-env'

listenOnLoopbackOnly()
const appView = await startAppView()
const network = await TestNetworkNoAppView.create({
  plc: {},
  pds: { hostname: 'localhost', bskyAppViewUrl: appView, bskyAppViewDid: 'did:web:appview.test' },
})
process.once('SIGTERM', stop)
process.once('SIGINT', stop)
console.log(JSON.stringify({ pds: network.pds.url, plc: network.plc.url, did: network.pds.ctx.cfg.service.did }))

// The development network would listen on every interface, because it passes no host.
function listenOnLoopbackOnly() {
  const { listen } = net.Server.prototype
  net.Server.prototype.listen = function (where, ...rest) {
    const options = typeof where === 'object' ? where : { port: where }
    const callbacks = rest.filter((argument) => typeof argument === 'function')
    return listen.call(this, { ...options, host: '127.0.0.1' }, ...callbacks)
  }
}

// What an AppView says about a record that it does not know, word for word (@atproto/bsky, getRecord.ts).
async function startAppView() {
  const server = http.createServer((request, response) => {
    response.writeHead(400, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ error: 'RecordNotFound', message: 'Could not locate record: at://...' }))
  })
  await new Promise((ready) => server.listen(0, ready))
  return `http://127.0.0.1:${server.address().port}`
}

async function stop() {
  await network.close()
  process.exit(0)
}
