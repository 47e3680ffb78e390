// An SMSC made of the npm package `smpp`, which nobody of this project wrote: it binds transceivers, answers submits with
// ids, sends receipts as text, and sends inbound texts. Its encodings, user data headers and framing are the package's.
//
//   node smsc.mjs [--port 0] [--system-id tidings] [--password secret] [--receipt-delay 20]
//
// Commands are JSON objects on stdin, one a line:
//
//   {"do":"inbound","from":"+491701234567","to":"12345","text":"..."}   a phone sends a text, in parts when it is long
//   {"do":"drop"}                                                       every connection is cut
//   {"do":"stop"}                                                       the same, and the program ends; so does the end of stdin
//
// Events are JSON objects on stdout, one a line:
//
//   {"event":"listening","port":40123}
//   {"event":"bind","system_id":"tidings"}
//   {"event":"submit","id":"...","from":"...","to":"...","text":"...","coding":8,"ref":7,"total":3,"number":1,"registered":1}
//   {"event":"receipt","id":"...","status":0}      how our deliver_sm was answered; also {"event":"inbound","text":"...","status":0}
//   {"event":"unbind"}  {"event":"close"}  {"event":"error","text":"..."}
//
// Recipients that end in 9901 are undelivered, in 9902 rejected, in 9904 get no receipt. What was not acknowledged with
// status 0 is sent again after 100 ms, and to the next bind when the connection is lost.

import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import smpp from 'smpp';

const { values: option } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'system-id': { type: 'string', default: 'tidings' },
    password: { type: 'string', default: 'secret' },
    'receipt-delay': { type: 'string', default: '20' },
  },
});

const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n');
const retryDelay = 100;
const run = randomBytes(4).toString('hex'); // so that no run repeats an id of another
const sessions = new Set();
const waiting = []; // deliveries without a bind to go to
let last = 0;
let reference = 0;

// deliver sends until it is acknowledged.
function deliver(delivery) {
  const [session] = sessions;
  if (!session) {
    waiting.push(delivery);
    return;
  }
  delivery.session = session;
  session.open.add(delivery);
  session.deliver_sm({ ...delivery.pdu }, (answer) => {
    session.open.delete(delivery);
    tell(delivery.event, { ...delivery.more, status: answer.command_status });
    if (answer.command_status !== 0) setTimeout(deliver, retryDelay, delivery);
  });
}

function ends(from, to) {
  const address = (text) => (text.startsWith('+') ? [1, 1, text.slice(1)] : [/^\d+$/.test(text) ? 3 : 5, 0, text]);
  const [source_addr_ton, source_addr_npi, source_addr] = address(from);
  const [dest_addr_ton, dest_addr_npi, destination_addr] = address(to);
  return { source_addr_ton, source_addr_npi, source_addr, dest_addr_ton, dest_addr_npi, destination_addr };
}

const stamp = (date) => date.toISOString().replace(/[-T:]/g, '').slice(2, 12);

function owe(pdu, id, text) {
  if (!(pdu.registered_delivery & 1) || pdu.destination_addr.endsWith('9904')) return;
  const delivered = !pdu.destination_addr.endsWith('9901');
  const now = stamp(new Date());
  const quote = text.replace(/[^ -~]/g, '?').slice(0, 20);
  const message =
    `id:${id} sub:001 dlvrd:00${+delivered} submit date:${now} done date:${now} ` +
    `stat:${delivered ? 'DELIVRD' : 'UNDELIV'} err:${delivered ? '000' : '001'} text:${quote}`;
  const receipt = {
    source_addr_ton: pdu.dest_addr_ton,
    source_addr_npi: pdu.dest_addr_npi,
    source_addr: pdu.destination_addr,
    dest_addr_ton: pdu.source_addr_ton,
    dest_addr_npi: pdu.source_addr_npi,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: message,
  };
  setTimeout(deliver, Number(option['receipt-delay']), { pdu: receipt, event: 'receipt', more: { id } });
}

function joint(pdu) {
  for (const element of pdu.short_message.udh ?? []) {
    if (element[0] === 0) return { ref: element[2], total: element[3], number: element[4] };
    if (element[0] === 8) return { ref: element.readUInt16BE(2), total: element[4], number: element[5] };
  }
  if (pdu.sar_total_segments) {
    return { ref: pdu.sar_msg_ref_num, total: pdu.sar_total_segments, number: pdu.sar_segment_seqnum };
  }
  return {};
}

function submit(session, pdu) {
  if (pdu.destination_addr.endsWith('9902')) {
    session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    return;
  }
  const id = run + (++last).toString(16).padStart(8, '0');
  const text = (pdu.message_payload ?? pdu.short_message).message;
  const more = { coding: pdu.data_coding, registered: pdu.registered_delivery, ...joint(pdu) };
  tell('submit', { id, from: pdu.source_addr, to: pdu.destination_addr, text, ...more });
  session.send(pdu.response({ message_id: id }));
  owe(pdu, id, text);
}

// A long text is cut at 67 UTF-16 units, or one less where a pair would be cut.
function inbound({ from, to, text }) {
  const ascii = /^[\x20-\x23\x25-\x3f\x41-\x5a\x61-\x7a\n]*$/.test(text); // where ASCII and GSM 03.38 agree
  const [alone, part] = ascii ? [160, 153] : [70, 67];
  const pdu = { ...ends(from, to), data_coding: ascii ? 0 : 8 };
  if (text.length <= alone) {
    deliver({ pdu: { ...pdu, short_message: text }, event: 'inbound', more: { text } });
    return;
  }
  const parts = [];
  for (let at = 0; at < text.length; at += parts.at(-1).length) {
    const high = (text.charCodeAt(at + part - 1) & 0xfc00) === 0xd800;
    parts.push(text.slice(at, at + part - (high ? 1 : 0)));
  }
  reference = (reference + 1) & 0xff;
  parts.forEach((message, i) => {
    const udh = Buffer.from([5, 0, 3, reference, parts.length, i + 1]);
    deliver({ pdu: { ...pdu, short_message: { udh, message } }, event: 'inbound', more: { text: message } });
  });
}

const server = smpp.createServer((session) => {
  session.open = new Set();
  session.on('error', (error) => tell('error', { text: String(error) }));
  session.on('bind_transceiver', (pdu) => {
    const status =
      pdu.system_id !== option['system-id'] ? smpp.ESME_RINVSYSID : pdu.password !== option.password ? smpp.ESME_RINVPASWD : 0;
    if (status) {
      session.send(pdu.response({ command_status: status }));
      session.close();
      return;
    }
    session.send(pdu.response({ system_id: 'foreign' }));
    tell('bind', { system_id: pdu.system_id });
    sessions.add(session);
    waiting.splice(0).forEach(deliver);
  });
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    tell('unbind');
    sessions.delete(session);
    session.send(pdu.response());
    session.close();
  });
  session.on('close', () => {
    sessions.delete(session);
    session.open.forEach(deliver);
    tell('close');
  });
});

const stop = () => process.exit(0);
const commands = { inbound, drop: () => sessions.forEach((session) => session.destroy()), stop };

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
  })
  .on('close', stop);
server.listen(Number(option.port), '127.0.0.1', () => tell('listening', { port: server.address().port }));
