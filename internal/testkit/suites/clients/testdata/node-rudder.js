for (let i = 0; i < COUNT; i++) {
  analytics.track({ userId: `user${i % 5}`, event: 'Order Completed', messageId: `PREFIX-${i}`, properties: { i } })
}
analytics.flush().then(() => console.log('sent'), (e) => { console.error(e); process.exit(1) })
