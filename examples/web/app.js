// Records page views, clicks and purchases with Segment's library for browsers. Set
// these two values: `streamctl local` prints both, `streamctl outputs ApiGatewayUrl` and
// `streamctl keys new` those of a stack.
const API = 'http://127.0.0.1:8080'
const WRITE_KEY = 'WRITE_KEY'

const [protocol, host] = API.split('://')
const analytics = AnalyticsNext.AnalyticsBrowser.load(
  // Without these settings, the library would request them from its vendor.
  { writeKey: WRITE_KEY, cdnSettings: { integrations: { 'Segment.io': { apiKey: WRITE_KEY } } } },
  { integrations: { 'Segment.io': { apiHost: `${host}/v1`, protocol } } },
)

// Page views: the first page, and each page that a link opens.
const show = () => analytics.page(location.hash.slice(1) || '/')
addEventListener('hashchange', show)
show()

// Clicks on anything that can be clicked.
document.addEventListener('click', ({ target }) => {
  const element = target.closest('a, button')
  if (element) analytics.track('Clicked', { text: element.textContent, id: element.id || undefined })
})

// Purchases.
const cart = []
const total = () => cart.reduce((sum, { price }) => sum + price, 0).toFixed(2)
for (const button of document.querySelectorAll('[data-product]')) {
  button.addEventListener('click', () => {
    const { product, price } = button.dataset
    cart.push({ product_id: product, price: Number(price), quantity: 1 })
    document.querySelector('#total').value = total()
    analytics.track('Product Added', cart.at(-1))
  })
}
document.querySelector('#buy').addEventListener('click', () => {
  if (!cart.length) return
  analytics.track('Order Completed', { order_id: crypto.randomUUID(), revenue: Number(total()), currency: 'EUR', products: cart.splice(0) })
  document.querySelector('#total').value = total()
})

// The user's events from before the login belong to the user: people_events in SQL.
document.querySelector('#login').addEventListener('submit', (event) => {
  event.preventDefault()
  analytics.identify(new FormData(event.target).get('user'))
})
