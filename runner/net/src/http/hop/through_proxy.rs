//! Connects to the host of a hop, or to the proxy in front of it, and determines which of them failed.

use http::StatusCode;

use super::super::connection::ResponseStart;
use super::super::proxy::Proxy;
use super::{Endpoint, RequestContext};
use crate::carrier::Carrier;
use crate::connect::ConnectOptions;
use crate::ledger::LeasedStream;
use crate::tls::{Alpn, TlsOptions, TlsParameters};
use crate::{NetError, Phase, Timings, timeout_phase};
use canary_suite::grant::{Destination, Host, NameDecision, Via};

impl RequestContext<'_> {
    /// Connects to an endpoint, or to the proxy in front of it.
    pub(super) async fn connect(
        &self,
        endpoint: &Endpoint,
        proxy: Option<&Proxy>,
    ) -> Result<(Carrier, Timings), NetError> {
        let options = ConnectOptions {
            family: self.options.family,
            source: self.options.source,
            ..ConnectOptions::default()
        };
        if let Some(proxy) = proxy {
            self.check_behind_proxy(&endpoint.destination, endpoint.via)?;
            let reached = self.connect_to_proxy(proxy, options).await;
            return reached
                .map_err(|error| self.record_proxy_failure(error.into_own_failure(proxy.description())));
        }
        let options = ConnectOptions {
            address: endpoint.address,
            ..options
        };
        let connecting = self.client.connect(&endpoint.destination, endpoint.via, options);
        let (stream, timings) = connecting.await?;
        Ok((Carrier::Tcp(stream), timings))
    }

    async fn connect_to_proxy(
        &self,
        proxy: &Proxy,
        options: ConnectOptions,
    ) -> Result<(Carrier, Timings), NetError> {
        let connecting = self.client.connect(&proxy.destination, Via::Direct, options);
        let (stream, timings) = connecting.await?;
        if proxy.is_secure() {
            self.secure_proxy(stream, proxy, timings).await
        } else {
            Ok((Carrier::Tcp(stream), timings))
        }
    }

    /// Performs the handshake with a proxy. Its time counts as `handshake`, like that of the target.
    async fn secure_proxy(
        &self,
        stream: LeasedStream,
        proxy: &Proxy,
        timings: Timings,
    ) -> Result<(Carrier, Timings), NetError> {
        let default = || TlsOptions {
            require_valid: true,
            ..TlsOptions::default()
        };
        let mut options = self.options.proxy_tls.clone().unwrap_or_else(default);
        // The only version of HTTP that is used with proxies.
        options.alpn = Alpn::from_static(&["http/1.1"]);
        let parameters = TlsParameters {
            host: &proxy.tls_host(),
            options: &options,
            // The response to the first request reports that.
            awaits_client_auth: false,
            is_direct: true,
            is_proxy: true,
        };
        let secured = self.client.secure(Carrier::Tcp(stream), parameters).await;
        let (stream, _session, took) = secured?;
        let timings = Timings {
            handshake: Some(took),
            ..timings
        };
        Ok((Carrier::proxy(stream, proxy.description()), timings))
    }

    /// The proxy resolves the target's name: unless that is an address, only the name can be checked.
    fn check_behind_proxy(&self, target: &Destination, via: Via) -> Result<(), NetError> {
        if let Host::Address(address) = target.host() {
            let decision =
                self.client
                    .grants
                    .check_address(target, *address, via, &self.client.services.blocked);
            return decision.map_err(|denial| self.client.deny(&denial));
        }
        match self.client.grants.check_name(target, via) {
            NameDecision::Granted => Ok(()),
            NameDecision::ByAddress | NameDecision::Denied(_) => {
                let denial = format!("`{target}` is not granted to this check by name");
                Err(self.client.deny(&denial))
            }
        }
    }

    /// Requests a tunnel to an endpoint from the proxy, if there is one.
    pub(super) async fn tunnel(
        &self,
        stream: Carrier,
        endpoint: &Endpoint,
        proxy: Option<&Proxy>,
    ) -> Result<Carrier, NetError> {
        let Some(proxy) = proxy else {
            return Ok(stream);
        };
        let limit = self.client.deadline_after(None);
        let tunnel = proxy.tunnel(stream, &endpoint.destination, limit);
        let tunnel = timeout_phase(limit, Phase::Connect, tunnel);
        tunnel.await.map_err(|error| self.record_proxy_failure(error))
    }

    /// Checks the response of a forwarding proxy. If it requires authentication, or disconnects before responding,
    /// nothing is known about the target. A 407 may also come from the target; that cannot be distinguished.
    pub(super) fn check_forwarded(
        &self,
        proxy: &Proxy,
        answer: Result<ResponseStart, NetError>,
    ) -> Result<ResponseStart, NetError> {
        if let Ok(answer) = &answer
            && answer.head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            self.client.page().record_own_failure();
        }
        answer.map_err(|error| proxy.attribute_disconnect(error))
    }

    /// Counts a failure caused by the proxy, so that it is not mistaken for a failure of the target.
    pub(super) fn record_proxy_failure(&self, error: NetError) -> NetError {
        if error.is_own_failure() {
            self.client.page().record_own_failure();
        }
        error
    }
}
