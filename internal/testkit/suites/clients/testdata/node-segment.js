for (let i = 0; i < COUNT; i++) {
  analytics.track({ userId: `user${i % 5}`, event: 'Order Completed', messageId: `PREFIX-${i}`, properties: { i } })
}
analytics.on('error', (e) => console.error('error', e.code || e))
analytics.closeAndFlush({ timeout: 60000 }).then(() => console.log('sent'))
